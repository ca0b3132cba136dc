"""Who is it, what did they do, why this score: `python examples/sales_lookup.py phone:+8613912345678` (SIYU_URL, SIYU_KEY).

An identifier is written `namespace[@scope]:value`: `phone:…`, `email:…`, `wechat_openid@wx8a1:…`; a word without a colon is taken
for a company's name.
"""

import os
import sys
from itertools import islice

from siyu.client import Client, SiyuProblem

ENTRIES = 10


def person(siyu: Client, identifier: str) -> None:
    """Print the person whom an identifier leads to."""
    [found] = siyu.lookup(identifier)
    if found.person_id is None:
        print(f"{identifier}: nobody, or several ({', '.join(found.contested_by or ['unknown'])})")
        return
    profile = siyu.profile(found.person_id)
    intent = siyu.intent(profile.person_id)
    print(f"{profile.label} · {profile.company or 'no company known'} · {profile.person_id}")
    print(f"reachable by {', '.join(profile.reachable_via) or 'nothing that was agreed to'}")
    print(f"intent {intent.score} ({intent.change:+} in a week)")
    for contribution in intent.contributions:
        print(f"  {contribution.points:6.1f}  {contribution.rule}")
    for entry in islice(siyu.timeline(profile.person_id), ENTRIES):
        told = entry.model_dump()
        print(
            f"  {told.get('occurred_at') or told.get('at')}  {told.get('type') or entry.kind}  {told.get('channel', '')}"
        )


def company(siyu: Client, name: str) -> None:
    """Print the companies that are called so."""
    for each in siyu.companies():
        if name.lower() in each.name.lower():
            print(f"{each.name} · {each.domain or '–'} · {each.people} people · {each.id}")


if __name__ == "__main__":
    with Client(os.environ["SIYU_URL"], os.environ["SIYU_KEY"]) as client:
        try:
            (person if ":" in sys.argv[1] else company)(client, sys.argv[1])
        except SiyuProblem as problem:
            sys.exit(str(problem))
