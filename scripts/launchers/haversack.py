"""What the launchers run: the command `haversack`, with the code that lies beside this file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from appliance.cli import main

if __name__ == "__main__":
    sys.exit(main())
