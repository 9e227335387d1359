"""The DNS server of the tests serves what they say."""

import dns.rdatatype
import dns.resolver
import pytest

from tests.servers.dns import SERVFAIL, Dns


def _resolver(server: Dns) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [server.host]
    resolver.port = server.port
    return resolver


def test_what_is_published_is_there_and_what_was_is_gone(dns_server: Dns) -> None:
    resolver = _resolver(dns_server)
    dns_server.publish({"_smtp._tls.solarmora.com": ['TXT "v=TLSRPTv1; " "rua=mailto:tlsrpt@solarmora.com"']})
    answer = resolver.resolve("_smtp._tls.solarmora.com", "TXT")
    assert [record.strings for record in answer] == [(b"v=TLSRPTv1; ", b"rua=mailto:tlsrpt@solarmora.com")]
    dns_server.publish({"solarmora.com": ["60 IN MX 10 mx.solarmora.com."], "mx.solarmora.com": ["A 127.0.0.1"]})
    with pytest.raises(dns.resolver.NXDOMAIN):
        resolver.resolve("_smtp._tls.solarmora.com", "TXT")
    with pytest.raises(dns.resolver.NoAnswer):
        resolver.resolve("mx.solarmora.com", "TXT")
    with pytest.raises(dns.resolver.NoNameservers, match="SERVFAIL"):
        resolver.resolve(SERVFAIL, dns.rdatatype.TXT)
