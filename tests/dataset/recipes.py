"""Runs the Python recipes of docs/reading.md against a run, each on its own, as a reader would.

Usage: python recipes.py RUN     (RUN is data/<experiment>/<run>)
"""

import pathlib
import re
import subprocess
import sys

run = sys.argv[1]
guide = pathlib.Path(__file__).parents[2] / "docs" / "reading.md"
recipes = re.findall(r"^```python\n(.*?)^```", guide.read_text(), re.MULTILINE | re.DOTALL)
if len(recipes) < 5:
    sys.exit(f"{guide} has {len(recipes)} recipes")

failed = 0
for number, recipe in enumerate(recipes, 1):
    done = subprocess.run([sys.executable, "-c", recipe.replace("RUN/", f"{run}/")], capture_output=True, text=True)
    holds = done.returncode == 0 and done.stdout.strip() != ""
    print(("ok      " if holds else "FAILED  ") + f"recipe {number}: {recipe.splitlines()[0]}")
    if not holds:
        failed += 1
        print(recipe, done.stdout, done.stderr, sep="\n")
sys.exit(1 if failed else 0)
