"""One digest of all that the labextension is built from, to tell whether what is built is up to date."""

import hashlib
from pathlib import Path

HERE = Path(__file__).parent


def digest() -> str:
    """SHA-256 of the sources' names and contents."""
    names = ["package.json", "tsconfig.json", "yarn.lock", "install.json"]
    files = [HERE / name for name in names] + sorted(HERE.glob("src/*.ts")) + sorted(HERE.glob("style/*.css"))
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.relative_to(HERE)}\n".encode() + file.read_bytes())
    return total.hexdigest()


if __name__ == "__main__":
    print(digest())
