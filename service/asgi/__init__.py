"""What the API and the model server both put round their endpoints."""
