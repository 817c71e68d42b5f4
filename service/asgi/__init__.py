"""What the endpoints of the API and of the model server have in common."""
