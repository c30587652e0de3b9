"""The process of a lap, with the engines of this folder on the menu."""

import sys
from pathlib import Path

import fetcher.engines
from fetcher.comparison.__main__ import main

fetcher.engines.__path__.append(str(Path(__file__).parent))
sys.exit(main())
