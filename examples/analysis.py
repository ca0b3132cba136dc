"""A funnel, retention and who spread an article: `python examples/analysis.py a-1103` (SIYU_URL, SIYU_KEY)."""

import os
import sys

from siyu.client import Client

FUNNEL = {"steps": [{"types": ["article.read"]}, {"types": ["link.clicked"]}, {"types": ["order.paid"]}]}


def funnel(siyu: Client) -> None:
    """Print how many came how far."""
    for step in siyu.metric("funnel", FUNNEL)["steps"]:
        print(f"{step['people']:8}  {' or '.join(step['types'])}")


def retention(siyu: Client) -> None:
    """Print how many of those who came in a week came again in the weeks after."""
    for cohort in siyu.metric("retention", period="week", periods="6")["cohorts"]:
        print(cohort["begins"], *(f"{each['numerator'] if each else '–':>6}" for each in cohort["active"]))


def spreaders(siyu: Client, article: str) -> None:
    """Print who brought the most readers, and how far it went."""
    stats = siyu.stats(article)
    print(f"{stats.readers} readers, {stats.non_followers} of whom follow nothing, {stats.depth} generations")
    for each in stats.top_spreaders:
        print(f"{each.descendants:8}  {each.label}")


if __name__ == "__main__":
    with Client(os.environ["SIYU_URL"], os.environ["SIYU_KEY"]) as client:
        funnel(client)
        retention(client)
        spreaders(client, sys.argv[1])
