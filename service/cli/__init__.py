"""The command line `latentaug`: folders in, folders out, against a server or all in one."""
