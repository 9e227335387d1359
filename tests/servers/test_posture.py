"""`posture` against a real DNS server and a real HTTPS server: the good is fine, each wrong set-up is named right."""

import base64
import errno
import hashlib
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.servers.certificates import Certificates
from tests.servers.dns import SERVFAIL, validating
from tests.servers.hosts import mail_host, policy_host
from tests.servers.setups import DOMAIN, POLICY, Setup, good


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_good_set_up_is_fine(setup: Setup, end: str) -> None:
    setup.policy(end=end)
    found = setup.findings(status=0)
    assert set(found.values()) == {"fine"}
    assert found.keys() == {"mx", "tlsrpt-record", "rua-ours", "tlsa-none", "sts-record", "policy-fetched", "policy"}


def test_aliases_several_strings_and_other_records_do_no_harm(setup: Setup) -> None:
    """RFC8460-3-one-record; the case of several is among those below."""
    setup.records |= {
        f"_smtp._tls.{DOMAIN}": ["CNAME tlsrpt.hoster.test."],
        "tlsrpt.hoster.test": [f'TXT "v=TLSR" "PTv1;rua=mailto:tlsrpt@{DOMAIN}"', 'TXT "google-site-verification=x"'],
        f"_mta-sts.{DOMAIN}": ["CNAME sts.hoster.test."],
        "sts.hoster.test": ["CNAME sts2.hoster.test."],
        "sts2.hoster.test": ['TXT "v=STSv1; id=1"'],
        f"mta-sts.{DOMAIN}": ["CNAME www.hoster.test."],
        "www.hoster.test": ["A 127.0.0.1"],
    }
    found = setup.run(status=0)[0]["checks"]
    words = {check["code"]: check["words"] for check in found}
    assert "tlsrpt.hoster.test" in words["tlsrpt-record"]
    assert "beside it: 1" in words["tlsrpt-record"]
    assert "sts.hoster.test -> sts2.hoster.test" in words["sts-record"]
    assert "www.hoster.test" in words["policy-fetched"]


def test_a_wildcard_for_all_names_is_no_record_gone_wrong(setup: Setup) -> None:
    """Such an SPF record has "sts" in it, and is no try at MTA-STS."""
    setup.txt("_mta-sts", "v=spf1 a:hosts.solarmora.com include:mta-sts.lists.test -all")
    setup.records.pop(f"mta-sts.{DOMAIN}")
    assert setup.codes() == {"sts-none"}


@pytest.mark.parametrize("text", ["V=STSv1; id=1", " v=STSv1; id=1", "v=STS1;id=1", "STSv1; id=1", "v = stsv1; id=1"])
def test_a_record_gone_wrong_at_its_beginning(setup: Setup, text: str) -> None:
    setup.txt("_mta-sts", text)
    assert setup.codes() == {"sts-version"}


RECORDS: dict[str, Callable[[Setup], object]] = {
    "tlsrpt-missing": lambda setup: setup.records.pop(f"_smtp._tls.{DOMAIN}"),
    "tlsrpt-several": lambda setup: setup.txt(
        "_smtp._tls", "v=TLSRPTv1; rua=mailto:a@b.test", "v=TLSRPTv1; rua=mailto:c@d.test"
    ),
    "tlsrpt-version": lambda setup: setup.txt("_smtp._tls", f"v=tlsrptv1; rua=mailto:tlsrpt@{DOMAIN}"),
    "tlsrpt-field": lambda setup: setup.txt("_smtp._tls", f"v=TLSRPTv1; rua=mailto:tlsrpt@{DOMAIN}; and more"),
    "tlsrpt-rua-missing": lambda setup: setup.txt("_smtp._tls", f"v=TLSRPTv1; RUA=mailto:tlsrpt@{DOMAIN}"),
    "tlsrpt-rua-twice": lambda setup: setup.txt("_smtp._tls", "v=TLSRPTv1; rua=mailto:a@b.test; rua=mailto:c@d.test"),
    "tlsrpt-rua-scheme-missing": lambda setup: setup.txt("_smtp._tls", f"v=TLSRPTv1; rua=tlsrpt@{DOMAIN}"),
    "tlsrpt-rua-scheme": lambda setup: setup.txt("_smtp._tls", f"v=TLSRPTv1; rua=http://tlsrpt.{DOMAIN}/"),
    "tlsrpt-rua-uri": lambda setup: setup.txt("_smtp._tls", f"v=TLSRPTv1; rua=mailto:{DOMAIN}"),
    "tlsrpt-unknown-field": lambda setup: setup.txt("_smtp._tls", f"v=TLSRPTv1; rua=mailto:tlsrpt@{DOMAIN}; ruf=x"),
    "rua-not-ours": lambda setup: setup.txt("_smtp._tls", "v=TLSRPTv1; rua=mailto:tlsrpt@elsewhere.test"),
    "ttl-long": lambda setup: setup.records.update(
        {f"_smtp._tls.{DOMAIN}": [f'172800 IN TXT "v=TLSRPTv1; rua=mailto:tlsrpt@{DOMAIN}"']}
    ),
    "sts-missing": lambda setup: setup.records.pop(f"_mta-sts.{DOMAIN}"),
    "sts-several": lambda setup: setup.txt("_mta-sts", "v=STSv1; id=1", "v=STSv1; id=2"),
    "sts-version": lambda setup: setup.txt("_mta-sts", "v=STSV1; id=1"),
    "sts-field": lambda setup: setup.txt("_mta-sts", "v=STSv1; id=1; ; "),
    "sts-id-missing": lambda setup: setup.txt("_mta-sts", "v=STSv1; policy=1"),
    "sts-id-invalid": lambda setup: setup.txt("_mta-sts", "v=STSv1; id=" + "2" * 33),
    "sts-id-twice": lambda setup: setup.txt("_mta-sts", "v=STSv1; id=1; id=2"),
    "sts-unknown-field": lambda setup: setup.txt("_mta-sts", "v=STSv1; id=1; x=y"),
    "policy-host-missing": lambda setup: setup.records.pop(f"mta-sts.{DOMAIN}"),
    "mx-no-address": lambda setup: setup.records.pop(f"mx1.{DOMAIN}"),
    "mx-alias": lambda setup: setup.records.update(
        {f"mx1.{DOMAIN}": ["CNAME mx.hoster.test."], "mx.hoster.test": ["A 127.0.0.1"]}
    ),
    "tlsa-unsigned": lambda setup: setup.records.update(
        {f"_25._tcp.{one}": [f"TLSA 3 1 1 {'ab' * 32}"] for one in (f"mx1.{DOMAIN}", f"b.mail.{DOMAIN}")}
    ),
    # A wildcard of the policy stands for one label.
    "mx-not-covered": lambda setup: setup.records.update(
        {DOMAIN: [f"MX 10 mx1.{DOMAIN}.", f"MX 20 a.b.mail.{DOMAIN}."], f"a.b.mail.{DOMAIN}": ["A 127.0.0.1"]}
    ),
}


@pytest.mark.parametrize("code", RECORDS)
def test_a_wrong_record_is_named(setup: Setup, code: str) -> None:
    RECORDS[code](setup)
    assert setup.codes() - {"mx-pattern-unused"} == {code}
    better = code in ("ttl-long", "mx-alias", "tlsa-unsigned") or code.endswith("unknown-field")
    assert setup.status == (0 if better else 65)


def test_the_words_name_the_wildcard_and_the_mx(setup: Setup) -> None:
    RECORDS["mx-not-covered"](setup)
    (check,) = (check for check in setup.run(status=65)[0]["checks"] if check["code"] == "mx-not-covered")
    assert f"*.mail.{DOMAIN} stands for one label only, and a.b.mail.{DOMAIN} has more in front" in check["words"]
    assert check["advice"].startswith("In mode enforce senders do not deliver")


POLICIES: dict[str, tuple[str, str]] = {
    "policy-version": ("STSv1", "STSv2"),
    "policy-version-missing": ("version: STSv1\n", ""),
    "policy-mode": ("enforce", "Enforce"),
    "policy-mode-missing": ("mode: enforce\n", ""),
    "policy-mode-none": ("enforce", "none"),
    "policy-max-age": ("604800", "31557601"),
    "policy-max-age-missing": ("max_age", "maxage"),
    "policy-max-age-short": ("604800", "3600"),
    "policy-max-age-low": ("604800", "86400"),
    "policy-mx": (f"*.mail.{DOMAIN}", f"*.*.{DOMAIN}"),
    "policy-mx-missing": (f"mx: mx1.{DOMAIN}\nmx: *.mail.{DOMAIN}\n", ""),
    "policy-mx-pattern": (f"*.mail.{DOMAIN}", f"*.mail.{DOMAIN}\nmx: old.{DOMAIN}"),
    "policy-line": ("mode: enforce", "mode enforce"),
    "policy-encoding": ("version", "\ufeffversion"),
    "policy-repeated": ("mode: enforce", "mode: enforce\nmode: testing"),
    "policy-unknown-field": ("mode: enforce", "mode: enforce\nmin_age: 1"),
    "mx-not-covered": (f"mx: mx1.{DOMAIN}\n", ""),
}


@pytest.mark.parametrize("code", POLICIES)
def test_a_wrong_policy_is_named(setup: Setup, code: str) -> None:
    setup.policy(*POLICIES[code])
    expected = {"policy-mx-pattern": "mx-pattern-unused"}.get(code, code)
    assert setup.codes() == {expected}


def test_a_web_server_that_answers_otherwise_is_named(setup: Setup) -> None:
    setup.dns.publish(setup.records)
    host = setup.host
    host.status, host.headers = 301, {"Location": "https://www.solarmora.com/mta-sts.txt"}
    assert setup.codes(publish=False) == {"policy-redirect"}
    host.status, host.headers = 404, {"Content-Type": "text/plain"}
    assert setup.codes(publish=False) == {"policy-status"}
    host.status, host.headers = 200, {"Content-Type": "text/html"}
    assert setup.codes(publish=False) == {"policy-media-type"}
    host.headers = {}
    assert setup.codes(publish=False) == {"policy-media-type"}
    setup.policy()
    host.body += b"x: y\n" * 13_200
    assert setup.codes(publish=False) == {"policy-too-large"}
    setup.policy()
    host.headers = {"Content-Type": "text/plain", "Content-Length": "1000"}
    assert setup.codes(publish=False) == {"policy-http"}
    setup.policy()
    host.drips = True
    setup.config["timeout"] = "1"
    assert setup.codes(publish=False) == {"policy-slow"}
    host.drips = False
    with mail_host(None) as port:
        setup.https_port = port
        assert setup.codes(publish=False) == {"policy-tls"}


def test_every_address_of_the_policy_host_is_asked(
    setup: Setup, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, port = f"mta-sts.{DOMAIN}", setup.host.port
    setup.records[name] += ["A 127.0.0.2"]
    # Nobody listens there.
    assert setup.codes() == {"policy-address-away"}
    with policy_host(certificates.host(name), address="127.0.0.2", port=port) as second:
        second.serve("".join(reversed(POLICY.splitlines(keepends=True))))
        assert setup.codes(publish=False) == set()
        second.serve(POLICY.replace("enforce", "testing"))
        assert setup.codes(publish=False) == {"policy-differs"}
        second.status = 404
        assert setup.codes(publish=False) == {"policy-status"}
    _without_ipv6(monkeypatch)
    setup.records[name] = ["A 127.0.0.1", "AAAA 2001:db8::1"]
    assert setup.codes() == set()
    setup.records[name] = ["AAAA 2001:db8::1"]
    assert setup.codes() == {"policy-unreachable"}


def _without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be no way to IPv6 addresses, as at many homes."""
    connect = socket.create_connection

    def without(address: tuple[str, int], timeout: float) -> socket.socket:
        if ":" in address[0]:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return connect(address, timeout)

    monkeypatch.setattr(socket, "create_connection", without)


def test_a_mail_host_to_which_there_is_no_way_from_here(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_ipv6(monkeypatch)
    setup.records |= {DOMAIN: [f"MX 10 mx1.{DOMAIN}."], f"mx1.{DOMAIN}": ["AAAA 2001:db8::1"]}
    setup.policy(f"mx: *.mail.{DOMAIN}\n", "")
    assert setup.findings("--probe", DOMAIN, status=0)["probe-unreachable"] == "could not tell"


def test_a_wrong_certificate_of_the_policy_host_is_named(setup: Setup, certificates: Certificates) -> None:
    setup.dns.publish(setup.records)
    name = f"mta-sts.{DOMAIN}"
    for code, pair in {
        "policy-certificate-expired": certificates.host(name, days=-1),
        "policy-certificate-name": certificates.host(f"www.{DOMAIN}"),
        "policy-certificate-self-signed": certificates.host(name, self_signed=True),
        "policy-certificate-expires": certificates.host(name, days=5),
    }.items():
        with policy_host(pair) as other:
            other.serve(POLICY)
            setup.https_port = other.port
            assert setup.codes(publish=False) == {code}
    # Nobody listens there any more.
    assert setup.codes(publish=False) == {"policy-unreachable"}
    setup.https_port = None
    setup.config["ca_file"] = f'"{certificates.other_ca}"'
    assert setup.codes(publish=False) == {"policy-certificate-untrusted"}


def test_no_more_mail_hosts_are_looked_at_than_the_limit(setup: Setup) -> None:
    hosts = [f"mx{number}.{DOMAIN}" for number in range(1, 52)]
    setup.records |= {host: ["A 127.0.0.1"] for host in hosts}
    setup.records[DOMAIN] = [f"MX {number} {host}." for number, host in enumerate(hosts, start=1)]
    setup.policy(f"mx: mx1.{DOMAIN}\nmx: *.mail.{DOMAIN}\n", f"mx: *.{DOMAIN}\n")
    assert setup.codes() == {"mx-many"}


def test_a_domain_without_anything(setup: Setup) -> None:
    setup.records = {DOMAIN: [f"MX 10 mx1.{DOMAIN}."], f"mx1.{DOMAIN}": ["A 127.0.0.1"]}
    assert setup.findings(status=65) == {
        "mx": "fine",
        "tlsrpt-missing": "wrong",
        "tlsa-none": "fine",
        "sts-none": "could be better",
    }
    for null in (["MX 0 ."], ["MX 0 .", "MX 10 ."]):
        setup.records = {DOMAIN: null}
        assert setup.findings(status=0) == {"mx-null": "fine"}
    setup.records = {DOMAIN: ["A 127.0.0.1"]}
    assert setup.codes() == {"mx-implicit", "tlsrpt-missing", "sts-none"}
    setup.records = {}
    assert "mx-missing" in setup.codes()


def test_a_name_without_the_record_is_told_from_no_name(setup: Setup) -> None:
    name = f"_smtp._tls.{DOMAIN}"
    for records, words in {
        (): f"the name {name} does not exist",
        ("A 127.0.0.1",): f"the name {name} has no such record",
        ("CNAME nothing.test.",): f"the name {name} (by CNAME at nothing.test) does not exist",
        ('TXT "v=spf1 -all"', 'TXT "x"'): "2 TXT records are there, and none begins with v=TLSRPTv1;",
    }.items():
        setup.records[name] = list(records)
        (check,) = (check for check in setup.run()[0]["checks"] if check["code"] == "tlsrpt-missing")
        assert check["words"] == words


def test_what_cannot_be_looked_up(setup: Setup) -> None:
    """SERVFAIL is the domain's fault, silence is ours: 75, and what was not seen is not called wrong."""
    assert setup.codes(SERVFAIL) == {"dns-servfail"}
    assert setup.status == 65
    setup.config |= {"resolver": '"127.0.0.1:9"', "timeout": "1"}
    found = setup.findings(publish=False, status=75)
    assert found == {"dns-away": "could not tell"}


def test_whether_the_address_is_ours_is_told_as_far_as_the_config_knows(setup: Setup) -> None:
    """RFC8460-3-rua."""
    setup.config["rua"] = "[]"
    assert setup.findings(status=0)["rua-unknown"] == "could not tell"
    setup.config["rua"] = (
        f'[]\n[[imap]]\nname = "a"\nhost = "h"\nuser = "TLSRPT@{DOMAIN}"\npassword = {{ file = "x" }}\n#'
    )
    assert setup.codes(publish=False) == set()
    setup.more = f'[receive]\nurl = "https://tlsrpt.{DOMAIN}/v1"\n'
    setup.txt("_smtp._tls", f"v=TLSRPTv1; rua=mailto:x@elsewhere.test,https://TLSRPT.{DOMAIN}:443/v1/")
    assert setup.codes() == set()


def test_the_domains_of_the_config_are_checked_where_none_is_named(setup: Setup) -> None:
    setup.config["domains"] = f'["{DOMAIN}", "nothing.test"]'
    setup.dns.publish(setup.records)
    found = setup.run("--json", publish=False, status=65)
    assert [one["domain"] for one in found] == [DOMAIN, "nothing.test"]


def test_mail_hosts_are_probed(setup: Setup, certificates: Certificates) -> None:
    setup.records[DOMAIN] = [f"MX 10 mx1.{DOMAIN}."]
    setup.policy(f"mx: *.mail.{DOMAIN}\n", "")
    setup.dns.publish(setup.records)
    mx = f"mx1.{DOMAIN}"
    with ExitStack() as servers:
        for code, port in {
            "": servers.enter_context(mail_host(certificates.host(mx))),
            "probe-no-starttls": servers.enter_context(mail_host(None)),
            "probe-certificate-expired": servers.enter_context(mail_host(certificates.host(mx, days=-1))),
            "probe-certificate-self-signed": servers.enter_context(mail_host(certificates.host(mx, self_signed=True))),
            "probe-certificate-name": servers.enter_context(mail_host(certificates.host(f"www.{DOMAIN}"))),
            "probe-certificate-expires": servers.enter_context(mail_host(certificates.host(mx, days=5))),
            "probe-smtp": servers.enter_context(mail_host(None, greeting="554 go away")),
            "probe-refused": 9,
            "probe-slow": servers.enter_context(mail_host(certificates.host(mx), starts=False)),
        }.items():
            setup.config |= {"smtp_port": str(port), "timeout": "1" if code == "probe-slow" else "10"}
            assert setup.codes("--probe", DOMAIN, publish=False) == ({code} if code else set())


def test_mail_hosts_are_probed_for_dane(setup: Setup, certificates: Certificates) -> None:
    """A self-signed certificate is as good as its TLSA record says (RFC 7672 section 3.1.1)."""
    mx = f"mx1.{DOMAIN}"
    certificate, key = certificates.host(mx, self_signed=True)
    octets = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    # By openssl, not by the code that is tested.
    public = subprocess.run(
        ["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], capture_output=True, check=True
    )
    spki = base64.b64decode(b"".join(public.stdout.splitlines()[1:-1]))
    setup.records = {
        DOMAIN: [f"MX 10 {mx}."],
        mx: ["A 127.0.0.1"],
        f"_smtp._tls.{DOMAIN}": good()[f"_smtp._tls.{DOMAIN}"],
    }
    with validating(setup.dns) as resolver, mail_host((certificate, key)) as port:
        setup.config |= {"resolver": f'"{resolver}"', "smtp_port": str(port)}
        for record, expected in {
            f"3 1 1 {hashlib.sha256(spki).hexdigest()}": set(),
            f"3 0 2 {hashlib.sha512(octets).hexdigest()}": set(),
            f"3 1 0 {spki.hex()}": set(),
            f"3 1 1 {'ab' * 32}": {"probe-tlsa-mismatch"},
            f"2 1 1 {'ab' * 32}": {"probe-tlsa-untold"},
        }.items():
            setup.records[f"_25._tcp.{mx}"] = [f"TLSA {record}"]
            found = setup.findings("--probe", DOMAIN)
            assert found["tlsa"] == found["sts-not-needed"] == "fine"
            assert {code for code, finding in found.items() if finding != "fine"} == expected
        setup.records[f"_25._tcp.{mx}"] = [f"TLSA 1 1 1 {'ab' * 32}"]
        assert setup.codes() == {"tlsa-unusable", "sts-none"}
        setup.records |= {DOMAIN: [f"MX 10 {mx}.", f"MX 20 mx2.{DOMAIN}."], f"mx2.{DOMAIN}": ["A 127.0.0.1"]}
        setup.records[f"_25._tcp.{mx}"] = [f"TLSA 3 1 1 {'ab' * 32}"]
        assert setup.codes() == {"tlsa-some"}
