"""`posture` of the installed program: its exit status, and the lines that a person reads."""

from tests.installed import Program
from tests.servers.setups import DOMAIN, Setup


def test_the_exit_status_and_the_words(program: Program, setup: Setup) -> None:
    setup.dns.publish(setup.records)
    ran = program("--config", setup.configured(), "posture", "Solarmora.COM.")
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"{DOMAIN}\nfine             MX of {DOMAIN}: mx1.{DOMAIN}, b.mail.{DOMAIN}\n")
    assert "\nAll is fine.\n" in ran.stdout

    setup.txt("_smtp._tls", f"v=TLSRPTv1; rua=tlsrpt@{DOMAIN}")
    setup.dns.publish(setup.records)
    ran = program("--config", setup.configured(), "posture", DOMAIN)
    assert (ran.status, ran.stderr) == (65, "")
    words = " ".join(ran.stdout.split())
    assert f"wrong _smtp._tls.{DOMAIN}:" in words
    assert "Write mailto: in front of the address, with nothing between." in words
    assert "1 wrong, 5 fine." in words

    setup.config |= {"resolver": '"127.0.0.1:9"', "timeout": "1"}
    ran = program("--config", setup.configured(), "posture", DOMAIN)
    assert (ran.status, ran.stderr) == (75, "")
    assert "could not tell" in ran.stdout
    ran = program("--config", setup.configured(), "posture", "--recommend", DOMAIN)
    assert (ran.status, ran.stdout) == (75, "")
    assert "what to publish depends on it" in ran.stderr

    setup.config |= {"resolver": '"dns.example.org"'}
    ran = program("--config", setup.configured(), "posture", DOMAIN)
    assert ran.status == 78
    assert "posture.resolver: write the IP address of a resolver" in ran.stderr


def test_which_domain(program: Program) -> None:
    ran = program("posture")
    assert (ran.status, ran.stdout) == (78, "")
    assert "set domains in [posture]" in ran.stderr
    for name in ("m\u00fcll.test", "localhost", "a b.test", "-"):
        assert program("posture", name).status == 2
