"""The trading unit of the TSE; importable without numpy."""

#: Shares in one trading unit (JPX unified it on 2018-10-01).
LOT = 100
