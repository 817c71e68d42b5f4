"""What all tests need."""

import signal

# A shell ignores SIGINT on behalf of what it runs in the background. Tests that run so would hand that on to the
# processes that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
