"""The one process that owns the device: Open Inference Protocol in, batches on the device, answers out."""
