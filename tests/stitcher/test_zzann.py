from tests.stitcher import database
from tests.stitcher.test_cases import events_of, _cases, announced, text_of
from core.outbox import read, Cursor
from core.log.port import IDENTITY_CHANGED
import re
def test_it(engine):
    import string
    from tests.stitcher.histories import INDEX
    from core.identifier import parse as identifier
    names={}
    for s in ["A","B","c1","c2","p:1","p:2","o:x/wx1","o:1/wx1","o:2/wx1","m:j","m:a","u:1","m:x"]:
        names[INDEX(identifier(text_of(s)))]=s
    for n in ["C1","C4","C5","C9-becomes-owned","C9-becomes-contested","G2","B6-late","C8-order-of-bridges","A2","D1-late","V1-late","C7","H1"]:
        case=[c for c in _cases() if c["name"]==n][0]
        database.empty(engine)
        for e in events_of(case)[:30]: database.take(engine,[e])
        print("==",n,case["events"])
        with engine.connect() as c:
            for row in read(c, Cursor(), 10000):
                for a in row.announcements:
                    v=a.value
                    if a.topic==IDENTITY_CHANGED:
                        f=lambda ids:[names.get(i,i[:4]) for i in ids]
                        print("  ",v["cause"],v["type"],f([v["person_id"]]),"v",v["version"],"from",f(v["from"]),"into",f(v["into"]),"ids",f(v["identifiers"]))
                    else:
                        print("       profile",v["cause"],f([v["person_id"]]) if 'f' in dir() else v["person_id"],"v",v["version"],v["reason"],v["changed"],v["merged_from"] and f(v["merged_from"]))
