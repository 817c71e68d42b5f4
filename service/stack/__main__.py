"""`python -m service.stack`: everything on one machine, until Ctrl+C."""

import sys

from service.stack.run import main

sys.exit(main())
