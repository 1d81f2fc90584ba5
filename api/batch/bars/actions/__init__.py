"""Corporate actions beside the bars: what was told, suspected and judged, apart from the raw prices."""
