"""Every key of an app: its servers, how they are reached and watched, and its routes."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.section import Section
from gateway.config.values import (
    FeatureName,
    Host,
    Id,
    MaybeFile,
    MaybeHost,
    MaybeSeconds,
    MaybeShortSeconds,
    MaybeWhole,
    Method,
    ProbeTarget,
    RoutePath,
    Seconds,
    Sentence,
    ShortSeconds,
    Status,
    Text,
    UpstreamURL,
    Whole,
    Word,
    YesOrNo,
)

BODY_LIMIT_BYTES = 2**40
"""What a limit of uploads may be at most: 1 TiB; null is the way to say none."""


class StreamsConfig(Section):
    """How what goes on for long ends: WebSockets, streams of events, long answers."""

    warning_s: Whole = Field(
        0,
        ge=0,
        le=3600,
        description="seconds that what is open goes on once its end is known; 0 is none",
    )


class RouteConfig(Section):
    """A part of an app, and what it asks of a client."""

    path: RoutePath = Field(description="ending in / it is a prefix, otherwise exact")
    access: Annotated[Literal["public", "signed_in", "entitled"], Word] = Field(
        description="what is asked: public, signed_in or entitled"
    )
    feature: FeatureName = Field("access", description="the feature that an entitled route needs")
    methods: tuple[Method, ...] | None = Field(
        None, min_length=1, description="methods that the route is for; null is every one"
    )
    on_unknown: Annotated[Literal["last_known", "closed", "insecure_open"], Word] = Field(
        "last_known", description="while facts cannot be read: last_known, closed or insecure_open"
    )
    connect_timeout_s: MaybeShortSeconds = Field(
        None, description="seconds to connect to the app; null is proxy.connect_timeout_s"
    )
    first_byte_timeout_s: MaybeSeconds = Field(
        None, description="seconds until the app answers; null is proxy.first_byte_timeout_s"
    )
    idle_timeout_s: MaybeSeconds = Field(
        None, description="seconds of silence within an answer; null is proxy.idle_timeout_s"
    )
    body_limit_bytes: MaybeWhole = Field(
        None,
        ge=0,
        le=BODY_LIMIT_BYTES,
        description="bytes of an upload at most; null is proxy.body_limit_bytes",
    )
    allow_encoded_slash: YesOrNo = Field(
        False, description="true takes %2F within a path, false answers 400"
    )
    streams: StreamsConfig = Field(
        StreamsConfig(), description="how what goes on for long ends when it is not paid any more"
    )


class UpstreamTLSConfig(Section):
    """How the app's https servers are known."""

    ca_file: MaybeFile = Field(
        None, description="PEM file of the authorities that are believed; null is the system's"
    )
    server_name: MaybeHost = Field(
        None, description="the name that the certificate has to be for; null is the URL's host"
    )


class BreakerConfig(Section):
    """When a server that fails is left alone."""

    failures: Whole = Field(
        5, ge=1, le=1_000_000, description="failures in a row that shut a server out"
    )
    cooldown_s: Seconds = Field(
        2.0, description="seconds that it is left alone; then one request tries it"
    )


class HealthConfig(Section):
    """How the app's servers are asked whether they are well."""

    path: ProbeTarget = Field(description="path, and query if need be, that is asked for with GET")
    interval_s: Seconds = Field(5.0, ge=1, description="seconds between two checks of a server")
    timeout_s: ShortSeconds = Field(2.0, description="seconds for one check, connecting included")
    healthy_after: Whole = Field(
        2, ge=1, le=100, description="good checks in a row until a server is used again"
    )
    unhealthy_after: Whole = Field(
        3, ge=1, le=100, description="bad checks in a row until a server is not used any more"
    )
    statuses: tuple[Status, ...] | None = Field(
        None, min_length=1, description="statuses that are good; null is 200 to 299"
    )


class AppConfig(Section):
    """An app behind the gateway."""

    id: Id = Field(description="name in plans, headers and logs")
    name: Text = Field(description="name that visitors see")
    description: Sentence = Field("", description="a sentence for visitors")
    host: Host = Field(description="host name of its own")
    upstreams: tuple[UpstreamURL, ...] = Field(
        min_length=1, description="its servers: http://, https:// or unix:/path"
    )
    balance: Annotated[Literal["round_robin", "least_connections"], Word] = Field(
        "round_robin", description="whose turn it is: round_robin or least_connections"
    )
    tls: UpstreamTLSConfig = Field(
        UpstreamTLSConfig(), description="how the app's https servers are known"
    )
    breaker: BreakerConfig = Field(
        BreakerConfig(), description="when a server that fails is left alone"
    )
    health: HealthConfig | None = Field(
        None, description="how servers are asked whether they are well; null asks none"
    )
    routes: tuple[RouteConfig, ...] = Field(
        min_length=1, description="the longest path wins; what none covers is 404"
    )
