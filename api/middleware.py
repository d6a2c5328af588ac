"""Around every request: who may call and how often, security headers, the log line, the counters."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
import uuid
from collections import OrderedDict

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .logs import ACCESS
from .metrics import Metrics
from .problems import Problem, from_exception, is_vendor, path_of, response
from .settings import Settings

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_CALLERS = 10_000


class Limiter:
    """A token bucket per caller: a minute's worth at once, refilled evenly."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str, now: float) -> float:
        """0 when the caller may go on, else the seconds until it may."""
        tokens, then = self._buckets.get(caller, (float(self.per_minute), now))
        tokens = min(self.per_minute, tokens + (now - then) * self.per_minute / 60)
        allowed = tokens >= 1
        self._buckets[caller] = tokens - allowed, now
        self._buckets.move_to_end(caller)
        if len(self._buckets) > _CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) * 60 / self.per_minute


class Guard:
    """API keys and the rate limit, before anything of the body is read."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._keys = [hashlib.sha256(k.get_secret_value().encode()).digest() for k in settings.api_keys]
        self._limiter = Limiter(settings.rate) if settings.rate else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] != "OPTIONS":
            try:
                self._check(scope)
            except Problem as problem:
                scope["problem_code"] = problem.code
                await response(problem, is_vendor(path_of(scope)))(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        path = path_of(scope)
        if not path.startswith(("/v1/", "/v2/")) and path != "/metrics":
            return
        caller = scope["client"][0] if scope.get("client") else "unknown"
        # On the gate's paths the key is the upstream's, which judges it; the validator by shape is ours.
        if self._keys and (not is_vendor(path) or path.rstrip("/").endswith("/image-validation")):
            caller = self._key(Headers(scope=scope))
        if self._limiter is not None:
            wait = math.ceil(self._limiter.wait(caller, time.monotonic()))
            if wait:
                raise Problem(
                    429,
                    "busy",
                    f"Too many requests from one caller; try again in {wait} s.",
                    {"Retry-After": str(wait)},
                )

    def _key(self, headers: Headers) -> str:
        given = headers.get("x-api-key", "")
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not given and scheme.lower() == "bearer":
            given = token
        digest = hashlib.sha256(given.encode()).digest()
        # every key is compared, so that the time taken tells nothing
        if not any([hmac.compare_digest(digest, key) for key in self._keys]):  # noqa: C419
            raise Problem(
                401,
                "unauthorized",
                "A valid key is needed in the x-api-key header (or as a bearer token).",
                {"WWW-Authenticate": "Bearer"},
            )
        return digest.hex()


class Observe:
    """Outermost: request id, security headers, one log line, the counters; turns what was raised to a problem."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, sent = time.perf_counter(), 0, 0
        request_id = uuid.uuid4().hex[:16]

        async def watched(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 (the last handler: it answers 500 and logs)
            problem = from_exception(error)
            scope["problem_code"] = problem.code
            if not status:
                await response(problem, is_vendor(path_of(scope)))(scope, receive, watched)
        finally:
            self._note(scope, request_id, status, sent, time.perf_counter() - started)

    def _note(self, scope: Scope, request_id: str, status: int, sent: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or (
            "/web" if path_of(scope).startswith("/web/") else "none"
        )
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        self.metrics.requests.labels(method, route, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        code = scope.get("problem_code")
        if status in (401, 413, 429, 503, 504) and code:
            self.metrics.refused.labels(code).inc()
        fields = {
            "id": request_id,
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        fields |= {"sent": sent}
        if code:
            fields["code"] = code
        ACCESS.info("request", extra={"fields": fields})
