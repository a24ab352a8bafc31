from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bastide.bootstrap.account import Account, connect
from bastide.bootstrap.errors import BootstrapError
from bastide.bootstrap.key import find_key, key_policy, state_tags
from bastide.bootstrap.parts import Line, Mode, Outcome, all_good
from bastide.bootstrap.state import POLICY_SID, bootstrap_state, commands
from bastide.cli import main
from bastide.settings import Settings
from sandbox.aws.client import Aws
from sandbox.toolchain import paths
from tests.bootstrap.conftest import STACKS, writes
from tests.waits import PATIENCE_S


def run(account: Account, mode: Mode = Mode.APPLY) -> dict[str, Outcome]:
    lines: list[Line] = []
    given = bootstrap_state(account, mode, lines.append)
    assert given == lines
    return {each.name.strip(): each.outcome for each in lines}


def test_it_makes_a_closed_versioned_encrypted_bucket_and_a_key_that_rotates(account: Account) -> None:
    assert set(run(account).values()) == {Outcome.MADE}
    s3, kms, bucket = account.client("s3"), account.client("kms"), account.state_bucket
    key = find_key(account)
    assert key is not None
    assert kms.get_key_rotation_status(KeyId=key["Arn"])["KeyRotationEnabled"]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    owner = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert owner == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": key["Arn"],
    }
    expiry = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]
    assert expiry["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}
    assert "Expiration" not in expiry
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    assert [(each["Effect"], each["Condition"]) for each in policy["Statement"]] == [
        ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    ]
    tags = {each["Key"]: each["Value"] for each in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
    assert tags == state_tags(account)


def test_run_again_it_changes_nothing(account: Account, world: Aws) -> None:
    run(account)
    before = writes(world)
    assert set(run(account).values()) == {Outcome.THERE}
    assert writes(world) == before


def test_a_dry_run_and_a_check_change_nothing(account: Account, world: Aws) -> None:
    assert set(run(account, Mode.DRY_RUN).values()) == {Outcome.WOULD_MAKE}
    assert set(run(account, Mode.CHECK).values()) == {Outcome.MISSING}
    assert writes(world) == {}


def _suspend(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def _open(s3: Any, bucket: str) -> None:
    s3.delete_public_access_block(Bucket=bucket)


def _plain(s3: Any, bucket: str) -> None:
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )


def _let_http_in(s3: Any, bucket: str) -> None:
    s3.delete_bucket_policy(Bucket=bucket)


def _keep_for_ever(s3: Any, bucket: str) -> None:
    s3.delete_bucket_lifecycle(Bucket=bucket)


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (_suspend, "versions"),
        (_open, "public access"),
        (_plain, "encryption"),
        (_let_http_in, "TLS only"),
        (_keep_for_ever, "old versions"),
    ],
)
def test_what_was_changed_is_found_and_mended_and_nothing_else(
    account: Account, spoil: Callable[[Any, str], None], part: str
) -> None:
    run(account)
    spoil(account.client("s3"), account.state_bucket)
    checked = run(account, Mode.CHECK)
    assert checked.pop(part) is Outcome.DIFFERS
    assert set(checked.values()) == {Outcome.THERE}
    mended = run(account)
    assert mended.pop(part) is Outcome.MENDED
    assert set(mended.values()) == {Outcome.THERE}
    assert set(run(account, Mode.CHECK).values()) == {Outcome.THERE}


def test_others_rules_and_statements_stay(account: Account) -> None:
    run(account)
    s3, bucket = account.client("s3"), account.state_bucket
    theirs = {
        "ID": "theirs",
        "Status": "Enabled",
        "Filter": {"Prefix": "x/"},
        "Expiration": {"Days": 5},
    }
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [theirs]})
    statement = {
        "Sid": "Theirs",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    run(account)
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [each["ID"] for each in rules] == ["theirs", "bastide-old-state"]
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    assert [each["Sid"] for each in policy["Statement"]] == ["Theirs", POLICY_SID]


def test_a_bucket_of_somebody_else_is_refused_before_anything_is_put_there(
    account: Account, world: Aws
) -> None:
    world.set_faults(fault("s3.HeadBucket", "403", 403))
    with pytest.raises(BootstrapError, match=r"is another account's.*choose another bastide:name"):
        run(account)
    assert not any(each.startswith("s3.") for each in writes(world))


def test_a_name_that_another_account_took_is_said(account: Account, world: Aws) -> None:
    world.set_faults(fault("s3.CreateBucket", "BucketAlreadyExists", 409))
    with pytest.raises(BootstrapError, match=r"is taken by another account: choose another bastide:name"):
        run(account)


def test_a_key_about_to_be_deleted_is_not_touched(account: Account) -> None:
    run(account)
    key = find_key(account)
    assert key is not None
    account.client("kms").schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    lines: list[Line] = []
    bootstrap_state(account, Mode.APPLY, lines.append)
    assert lines[0].outcome is Outcome.DIFFERS
    assert "PendingDeletion" in lines[0].detail
    assert "cancel-key-deletion" in lines[0].detail
    assert not all_good(lines, Mode.APPLY)
    found = find_key(account)
    assert found is not None
    assert found["KeyState"] == "PendingDeletion"


def test_a_key_that_a_killed_run_left_without_alias_is_taken(account: Account) -> None:
    kms = account.client("kms")
    left = kms.create_key(
        Policy=json.dumps(key_policy(account)),
        Tags=[{"TagKey": key, "TagValue": value} for key, value in state_tags(account).items()],
    )["KeyMetadata"]["Arn"]
    run(account)
    found = find_key(account)
    assert found is not None
    assert found["Arn"] == left


def test_credentials_of_another_account_are_refused(world: Aws, varied: Callable[..., Settings]) -> None:
    with pytest.raises(
        BootstrapError, match=r"of account 123456789012.*is 111122223333.*nothing was changed"
    ):
        connect(varied(cloud={"accountId": "111122223333"}))


def test_missing_credentials_are_said_with_what_to_do(
    world: Aws, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(BootstrapError, match="no AWS credentials were found: set AWS_PROFILE"):
        connect(settings)


def test_refused_rights_name_the_call(account: Account, world: Aws) -> None:
    world.set_faults(fault("kms.CreateKey", "AccessDeniedException", 400))
    with pytest.raises(BootstrapError, match=r"AWS refuses CreateKey.*run once by an administrator"):
        run(account)


def fault(operation: str, code: str, status: int) -> dict[str, Any]:
    return {"error": {operation: {"code": code, "status": status, "times": 1}}}


def test_pulumi_itself_takes_the_bucket_and_the_key(
    account: Account, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's own login and stack, on what was made, by the lines that are printed."""
    run(account)
    pulumi = paths().bin_dir / "pulumi"
    (tmp_path / "Pulumi.yaml").write_text("name: bastide\nruntime: yaml\n")
    environment = {**os.environ, "PULUMI_HOME": str(tmp_path / "home"), "PULUMI_SKIP_UPDATE_CHECK": "true"}

    def call(line: str) -> str:
        done = subprocess.run(
            ["bash", "-c", line.replace("pulumi", str(pulumi), 1)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for line in commands(account, "sandbox"):
        call(line)
    assert "sandbox" in call("pulumi stack ls")
    call("pulumi config set --secret token abc")
    written = (tmp_path / "Pulumi.sandbox.yaml").read_text()
    assert f"secretsprovider: awskms://{account.state_alias}" in written
    assert "abc" not in written
    assert call("pulumi config get token").strip() == "abc"
    keys = account.client("s3").list_objects_v2(Bucket=account.state_bucket)["Contents"]
    assert ".pulumi/stacks/bastide/sandbox.json" in {each["Key"] for each in keys}


def test_the_command_prints_the_lines_to_run_next(
    world: Aws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(STACKS.parent)
    assert main(["bootstrap", "state", "--stack", "sandbox", "--dry-run"]) == 0
    assert "nothing was changed; 10 would be" in capsys.readouterr().out
    assert main(["bootstrap", "state", "--stack", "sandbox"]) == 0
    output = capsys.readouterr().out
    assert "pulumi login 's3://state-bastide-sandbox-us-east-1-123456789012?region=us-east-1'" in output
    assert "--secrets-provider='awskms://alias/state-bastide-sandbox-us-east-1?region=us-east-1'" in output


def test_an_unknown_stack_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bootstrap", "state", "--stack", "nowhere"]) == 1
    assert "no stack 'nowhere'; there are: " in capsys.readouterr().err


def test_a_bucket_that_another_account_holds_is_refused_by_its_owner(account: Account, world: Aws) -> None:
    world.take_bucket_name(account.settings.region, account.state_bucket, "210987654321")
    account.client("s3").head_bucket(Bucket=account.state_bucket)  # it would let us in
    with pytest.raises(BootstrapError, match=r"is another account's.*choose another bastide:name"):
        run(account)
    assert not any(each.startswith("s3.") for each in writes(world))
