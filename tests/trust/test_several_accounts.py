"""Several accounts at one queue, and the units that keep a worker up for one of them: what the guide has typed."""

from __future__ import annotations

import pwd

import pytest

from .world import World, run

pytestmark = [pytest.mark.beside, pytest.mark.slow]


@pytest.fixture
def account() -> pwd.struct_passwd:
    """One of the system's that is not root's."""
    for user in pwd.getpwall():
        if user.pw_uid and user.pw_name != "nobody":
            return user
    pytest.skip("needs an account")


# -- service --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_new", [True, False])
def test_root_is_told_to_print_a_unit_of_the_systems_for_the_file_of_an_account(
    world: World, account: pwd.struct_passwd, is_new: bool
) -> None:
    folder = world.folder("home", uid=account.pw_uid, mode=0o700, gid=account.pw_gid)
    db = folder / "db.sqlite" if is_new else world.queue(folder, uid=account.pw_uid, gid=account.pw_gid)
    done = run(0, "service", db)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"uid {account.pw_uid}'s" in done.stderr and "give --system" in done.stderr
    done = run(0, "service", "--system", db)
    assert done.returncode == 0 and f"\nUser={account.pw_name}\n" in done.stdout, done.stderr
    assert "refuse" not in done.stderr
    done = run(account.pw_uid, "service", db, gid=account.pw_gid)
    assert done.returncode == 0 and "\nUser=" not in done.stdout, done.stderr
