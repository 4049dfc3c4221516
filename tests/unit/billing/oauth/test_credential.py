from billing.oauth.credential import hash_of, is_one_of, new_secret


def test_a_secret_is_known_by_its_hash() -> None:
    secret, other = new_secret(), new_secret()

    assert is_one_of(secret, [hash_of(other), hash_of(secret)])
    assert not is_one_of(secret, [hash_of(other)])
    assert not is_one_of(secret, [])


def test_nobodys_hash_is_no_way_in() -> None:
    assert not is_one_of("", [])
    assert not is_one_of("\ud800", [])


def test_secrets_are_long_and_differ() -> None:
    made = {new_secret() for _ in range(100)}

    assert len(made) == 100
    assert min(map(len, made)) >= 43  # 256 bits in base64
