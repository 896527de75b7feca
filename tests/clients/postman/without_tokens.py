"""Prints a Postman collection without the tokens of its requests, for a service with AUTH_MODE=off.

    python3 without_tokens.py COLLECTION
"""

import json
import sys


def remove_tokens(folder: dict) -> None:
    for item in folder.get("item", []):
        item.get("request", {}).pop("auth", None)
        remove_tokens(item)


collection = json.load(open(sys.argv[1]))
remove_tokens(collection)
json.dump(collection, sys.stdout)
