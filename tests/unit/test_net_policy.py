"""Which URLs are asked on a stranger's word, and which addresses a name may have."""

from ipaddress import ip_address, ip_network

import pytest

from medley.net.policy import Policy, UrlRefused, is_outside

_INSIDE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.9.1",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.9",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:0:53aa::1", "2001:db8::1", "2002:7f00:1::1",
    "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("address", _INSIDE)
def test_an_address_that_is_not_plainly_outside_is_refused(address: str) -> None:
    assert not is_outside(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111"])
def test_addresses_of_the_internet_are_asked(address: str) -> None:
    assert is_outside(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "", " ", "ftp://example.com/a", "file:///etc/passwd", "gopher://example.com",
        "//example.com", "example.com", "http:///x", "http://", "https://user@example.com/",
        "https://user:word@example.com/", "https://example.com:22/", "https://example.com:0/",
        "https://example.com\\@127.0.0.1/", "https://exa mple.com/", "https://example.com/\n",
        "https://%31%32%37.0.0.1/", "http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/",
        "http://[::ffff:10.0.0.1]/", "http://[fe80::1%25eth0]/", "https://10.0.0.1/",
        "https://example.com:99999/", "https://[::", "https://\ud800.com/",
        "https://example.com/" + "a" * 3000,
    ],
)  # fmt: skip
def test_a_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        Policy().check_url(url)


@pytest.mark.parametrize(
    "url", ["https://example.com", "http://example.com:80/a?b=c#d", "https://münchen.example/ü.png"]
)
def test_ordinary_urls_pass(url: str) -> None:
    assert Policy().check_url(url).host


def test_a_listed_network_is_open_and_nothing_beside_it() -> None:
    policy = Policy(networks=(ip_network("10.1.0.0/16"),))
    assert policy.check_url("http://10.1.2.3/").host == "10.1.2.3"
    with pytest.raises(UrlRefused):
        policy.check_url("http://10.2.0.1/")


def test_of_many_addresses_only_the_allowed_ones_are_asked() -> None:
    found = [ip_address("127.0.0.1"), ip_address("8.8.8.8"), ip_address("::1")]
    assert Policy().check_addresses(found, plain=True) == [ip_address("8.8.8.8")]


def test_plain_http_goes_to_listed_networks_only_when_it_is_off() -> None:
    closed = Policy(plain=False)
    with pytest.raises(UrlRefused, match="https"):
        closed.check_url("http://example.com/")
    listed = Policy(plain=False, networks=(ip_network("10.0.0.0/8"),))
    outside, inside = ip_address("8.8.8.8"), ip_address("10.0.0.1")
    assert listed.check_addresses([outside, inside], plain=True) == [inside]
    assert listed.check_addresses([outside], plain=False) == [outside]
    with pytest.raises(UrlRefused, match="https"):
        listed.check_addresses([outside], plain=True)


def test_a_refusal_names_no_address() -> None:
    with pytest.raises(UrlRefused) as refusal:
        Policy().check_addresses([ip_address("10.9.8.7")], plain=False)
    assert "10.9" not in refusal.value.message
