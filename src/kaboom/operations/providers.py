"""The sources of bars: the capabilities, limits and required settings of each, and whether it is paused."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, Field

from kaboom.errors import StoreError
from kaboom.jobs.engine.parts import Parts
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.providers.limiter.pauses import ProviderPause
from kaboom.providers.limiter.port import parse_limits
from kaboom.providers.registry import provider_specs
from kaboom.providers.spec import ProviderSpec
from kaboom.text.catalogue import Language, gettext
from kaboom.text.translate import ERROR, translate


class TermsView(BaseModel):
    """What a provider's data may be used for; the terms at `url` are authoritative."""

    url: str = Field(examples=["https://jpx-jquants.com/"])
    text: str = Field(
        examples=[
            (
                "J-Quants is for the personal use of the person who holds the key: no redistribution, no business use. "
                "Terms: https://jpx-jquants.com/"
            )
        ]
    )


class ProviderView(BaseModel):
    """A source of bars."""

    name: str = Field(examples=["jquants"])
    summary: str = Field(examples=["J-Quants API v2 of the exchange's group, with your own key; for personal use."])
    is_real: bool = Field(description="false: its bars are made up", examples=[True])
    is_default: bool = Field(description="KABOOM_PROVIDER names it", examples=[True])
    is_on: bool = Field(examples=[True])
    lacking: str | None = Field(description="what must be set before it can be used; null if nothing is missing")
    needs: list[str] = Field(description="the settings without which it is off", examples=[["JQUANTS_API_KEY"]])
    settings: list[str] = Field(
        description="all settings of its own", examples=[["JQUANTS_API_KEY", "JQUANTS_BASE_URL", "JQUANTS_BULK"]]
    )
    markets: list[Market] = Field(examples=[["TSE_PRIME", "TSE_STANDARD", "TSE_GROWTH", "INDEX"]])
    intervals: list[Interval] = Field(examples=[["1m", "5m", "15m", "1h", "1d"]])
    reach_days: dict[Interval, int] = Field(
        description="how many days back bars reach; other intervals have no limit",
        examples=[{"1m": 730, "5m": 730, "15m": 730, "1h": 730}],
    )
    is_live: bool = Field(description="true: bars come during a session; false: when it is over", examples=[False])
    delay_s: float = Field(description="how late its bars are; after the close, when they are final", examples=[3600.0])
    has_master: bool = Field(description="whether it has a list of what is listed", examples=[True])
    is_adjusted: bool | None = Field(
        description="whether its prices before a split are divided by it; null: that depends on its source",
        examples=[False],
    )
    requests_per_minute: int | None = Field(
        description="most requests in any minute, over all processes; null: any", examples=[60]
    )
    requests_per_second: int | None = Field(description="the same in any second, in place of a minute; null: any")
    concurrency: int | None = Field(description="most requests at once, over all processes; null: any", examples=[4])
    terms: TermsView | None
    is_paused: bool | None = Field(
        description="whether it is asked nothing for now; null if Redis cannot say", examples=[True]
    )
    paused_until: AwareDatetime | None = Field(examples=["2025-11-04T07:05:00Z"])
    pause_reason: str | None = Field(examples=["jquants answered 429"])


class ProviderList(BaseModel):
    """All providers that this release knows."""

    items: list[ProviderView]


async def list_providers(parts: Parts, language: Language, now: datetime) -> ProviderList:
    """Return every provider, in the order of the registry."""
    try:
        pauses = {pause.provider: pause for pause in await parts.pauses()}
    except StoreError:
        # The rest is known without Redis.
        pauses = None
    return ProviderList(items=[_view(parts, spec, language, pauses, now) for spec in provider_specs()])


def _view(
    parts: Parts, spec: ProviderSpec, language: Language, pauses: Mapping[str, ProviderPause] | None, now: datetime
) -> ProviderView:
    settings, pause = parts.settings, (pauses or {}).get(spec.name)
    lacking = spec.find_lacking(settings)
    limits = parse_limits(spec.name, settings.provider_requests_per_minute or "", settings.provider_concurrency or "")
    return ProviderView(
        **_describe(spec, language),
        is_default=settings.provider == spec.name,
        is_on=lacking is None,
        lacking=translate(lacking, language) if lacking else None,
        requests_per_minute=None if limits.is_per_second else limits.requests,
        requests_per_second=limits.requests if limits.is_per_second else None,
        concurrency=limits.concurrency,
        is_paused=None if pauses is None else pause is not None,
        paused_until=now + timedelta(seconds=pause.seconds) if pause else None,
        pause_reason=pause.reason if pause else None,
    )


def _describe(spec: ProviderSpec, language: Language) -> dict[str, object]:
    can, terms, fields = spec.capabilities, spec.terms, spec.settings.model_fields
    text = gettext(terms.text, language, ERROR).format(url=terms.url) if terms else ""
    return {
        "name": spec.name,
        "summary": translate(spec.summary, language),
        "is_real": spec.is_real,
        "needs": [str(fields[each.field].validation_alias) for each in spec.required],
        "settings": sorted(str(field.validation_alias) for field in fields.values()),
        "markets": [market for market in Market if market in can.markets],
        "intervals": [interval for interval in Interval if interval in can.intervals],
        "reach_days": {each: can.reach_days[each] for each in Interval if each in can.reach_days},
        "is_live": can.is_live,
        "delay_s": can.delay.total_seconds(),
        "has_master": spec.has_master,
        "is_adjusted": spec.is_adjusted,
        "terms": TermsView(url=terms.url, text=text) if terms else None,
    }
