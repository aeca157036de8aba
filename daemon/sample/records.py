"""The ordinary item of the sample: the metadata of a thesis or an article, and a few small files.

Invariant: `record` gives exactly as many values as are asked for (nine at least), counting the
`dc.identifier.uri` that `Repository.item` adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from random import Random

from daemon.sample.files import Assetstore
from daemon.sample.texts import MULTILINGUAL, abstract, author, words
from daemon.sample.vocabulary import File, Text

LICENCE = (
    "NON-EXCLUSIVE DISTRIBUTION LICENSE\n\nBy signing and submitting this license, you grant to the "
    "university the non-exclusive right to reproduce and distribute your submission.\n" * 6
).encode()


def record(random: Random, moment: datetime, count: int, *, title: str | None = None) -> list[Text]:
    """`count - 1` values (the handle's link is the last). The first is the title, now and then in another script."""
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    lang, foreign = random.choice(MULTILINGUAL) if random.random() < 0.2 else ("en_US", words(random, 6))
    texts = [
        Text("dc.title", title or foreign, lang),
        Text("dc.date.accessioned", stamp),
        Text("dc.date.available", stamp),
        Text("dc.date.issued", str(moment.year)),
        Text("dc.contributor.author", author(random)),
        Text("dc.description.provenance", f"Made available in DSpace on {stamp} (GMT).", "en"),
        Text("dc.description.abstract", abstract(random, random.randrange(150, 500)), "en_US"),
        Text("dc.type", random.choice(("Thesis", "Article", "Book chapter", "Dataset")), random.choice(("en", None))),
    ]
    fillers = (
        "dc.subject",
        "dc.contributor.author",
        "dc.subject",
        "dc.relation.ispartofseries",
        "dc.subject",
        "dc.publisher",
        "dc.language.iso",
        "dc.identifier.other",
    )
    for number in range(count - 1 - len(texts)):
        name = fillers[number % len(fillers)]
        text = author(random) if name.endswith("author") else words(random, 2)
        linked = name.endswith("author") and random.random() < 0.3
        texts.append(
            Text(
                name,
                text,
                None if linked else "en",
                authority=f"authority-{random.getrandbits(40):010x}" if linked else None,
                confidence=600 if linked else -1,
            )
        )
    return texts


def small_files(random: Random, store: Assetstore, count: int) -> Sequence[File]:
    """`count` files of 1 to 4 KiB: the last of several is the licence, in its own bundle."""
    files = []
    for number in range(max(count - 1, 1) if count else 0):
        content = random.randbytes(random.randrange(1024, 4096))
        files.append(
            File(
                f"article-{number + 1}.{random.choice(('pdf', 'txt', 'csv'))}",
                store.store(content),
                description="Full text" if number == 0 else None,
            )
        )
    if count > 1:
        files.append(File("license.txt", store.store(LICENCE), "LICENSE", format="License"))
    return files
