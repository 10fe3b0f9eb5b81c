"""What every process that `forking` makes has behind it: our imports, and the built-in catalogue read.

No thread may run when the import of this module is done: only the thread that forks goes on in the child.
"""

import psutil

import tracesvc.app
import tracesvc.cli
import tracesvc.worker  # noqa: F401  imported to be there
from tracesvc.catalogue import load_catalogue

load_catalogue()
assert psutil.Process().num_threads() == 1
