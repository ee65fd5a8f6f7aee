"""The command ``cowstate`` from its first instruction on: Ctrl-C may come while it is being loaded.

Beside the package, because whatever stands in it is reached only when all of it has been imported.
"""

import sys


def main() -> int:
    """Run the command; return its exit status, 130 for Ctrl-C, whenever that comes."""
    try:
        from cowstate.cli import main as run

        return run()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print("cowstate: interrupted; nothing was kept", file=sys.stderr)
        return 130
