"""What ingestion read, dropped, shortened and repaired, by split and modality."""

from __future__ import annotations

from collections import Counter, defaultdict

import pandas as pd


class Tally:
    """Counts, each of something out of something.

    A quantity's name may hold ``{modality}``, which is filled in where it is told.
    """

    def __init__(self) -> None:
        self._facts = set[str]()
        self._counts = defaultdict[tuple[str, str, str], float](int)
        self._totals = defaultdict[tuple[str, str, str], float](int)

    def add(
        self,
        quantity: str,
        count: float,
        *,
        of: float = 0,
        split: str = "",
        modality: str = "",
        loss: bool = True,
    ) -> None:
        """Add `count` of `of` (0 where there is no whole) to a quantity.

        Without `loss`, it is a fact that the summary leaves out.
        """
        if not loss:
            self._facts.add(quantity)
        key = (split, modality, quantity)
        self._counts[key] += count
        self._totals[key] += of

    def summary(self) -> dict[str, int]:
        """Return what was dropped or repaired, if anything was, over all splits, by its name."""
        summed = Counter[str]()
        for (_, modality, quantity), count in self._counts.items():
            if quantity not in self._facts:
                summed[quantity.format(modality=modality)] += int(count)
        return {name: count for name, count in summed.items() if count}

    def table(self) -> pd.DataFrame:
        """Return every count: split, modality, quantity, count, of, share."""
        rows = [
            {
                "split": split,
                "modality": modality,
                "quantity": quantity.format(modality=modality),
                "count": count,
                "of": self._totals[split, modality, quantity],
            }
            for (split, modality, quantity), count in self._counts.items()
        ]
        table = pd.DataFrame(rows, columns=["split", "modality", "quantity", "count", "of"])
        table["share"] = (table["count"] / table["of"].where(table["of"] > 0)).round(6)
        return table
