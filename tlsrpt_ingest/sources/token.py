"""Get an OAuth 2.0 access token by a grant (RFC 6749 sections 4.4 and 6), for XOAUTH2 and OAUTHBEARER."""

from collections.abc import Callable
from typing import Final

from tlsrpt_ingest.config import OAuth, Secret
from tlsrpt_ingest.errors import LoginRefused, Misconfigured, Unavailable

TIMEOUT: Final = 30
"""Seconds for the token endpoint to answer."""

WORDS: Final = 200
"""Characters of the endpoint's own words that we repeat."""


def token(oauth: OAuth, who: str, reveal: Callable[[Secret, str], str]) -> str:
    """An access token from `oauth.token_url`; `reveal(secret, key)` fetches a secret of the config.

    Raises LoginRefused when the endpoint refuses, Unavailable when it is away, Misconfigured without the extra.
    """
    try:
        from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error  # noqa: PLC0415 - an extra, and 100 ms that
        from requests import RequestException  # noqa: PLC0415 - a poll by password
        from requests_oauthlib import OAuth2Session  # noqa: PLC0415 - should not pay
    except ModuleNotFoundError:
        raise Misconfigured(f"{who}: oauth.token_url needs: pip install 'tlsrpt-ingest[oauth]'") from None
    url = str(oauth.token_url)
    secret = reveal(oauth.client_secret, "client_secret") if oauth.client_secret else None
    scope: list[object] | None = list(oauth.scope) or None
    try:
        if oauth.refresh_token is None:
            session = OAuth2Session(client=BackendApplicationClient(str(oauth.client_id), scope=scope))
            answer = session.fetch_token(url, client_secret=secret, scope=scope, timeout=TIMEOUT)
        else:
            session = OAuth2Session(oauth.client_id, scope=scope)
            # A public client has no secret.
            client = {"client_id": oauth.client_id} | ({"client_secret": secret} if secret else {})
            refresh = reveal(oauth.refresh_token, "refresh_token")
            answer = session.refresh_token(url, refresh_token=refresh, timeout=TIMEOUT, **client)  # type: ignore[arg-type] # the stub has no keywords for the body
    except OAuth2Error as error:
        words = f"{error.error or type(error).__name__} {error.description or ''}".strip()[:WORDS]
        raise LoginRefused(
            f"{who}: {oauth.token_url} gave no token: {words}; look at oauth.client_id and the secrets beside it"
        ) from error
    except RequestException as error:
        # Not its text: it may quote the request.
        raise Unavailable(f"{who}: cannot reach {oauth.token_url}: {type(error).__name__}") from error
    return str(answer["access_token"])
