"""Secrets are masked, and only secrets."""

import shlex
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killtrail.model.redact import redact, redact_text
from killtrail.model.secret_text import MASK

SECRET = "hunter2hunter2"


LINES = f"""
mysql -u root -p{SECRET}
/usr/bin/mysqldump -p{SECRET} db
mariadb-dump -p{SECRET}
mysqlimport -p{SECRET}
mycli -p{SECRET}
mongo -u a -p {SECRET}
mongodump -p{SECRET}
sqlcmd -U sa -P {SECRET}
sqlplus scott/{SECRET}@db
redis-cli -a {SECRET}
ldapsearch -w {SECRET}
openssl enc -k {SECRET}
openssl x -passin pass:{SECRET}
sshpass -p {SECRET} ssh x
sshpass -p{SECRET} ssh x
smbclient -U u%{SECRET}
7z x -p{SECRET}
unzip -P {SECRET}
pscp -pw {SECRET}
useradd -p {SECRET} u
docker login -u u -p {SECRET}
vault login {SECRET}
rabbitmqctl add_user u {SECRET}
rabbitmqctl change_password u {SECRET}
htpasswd -b file u {SECRET}
curl -u me:{SECRET} https://x
curl -ume:{SECRET}
curl -su me:{SECRET}
curl --user=me:{SECRET}
curl --proxy-user me:{SECRET}
curl -U me:{SECRET}
curl -b sid={SECRET}
sudo mysql -p{SECRET}
sudo env LANG=C timeout 9 mysqldump -p{SECRET}
ssh host 'mysql -p{SECRET}'
ssh host "sh -c 'mysql -p{SECRET}'"
sh -c "mysql -p{SECRET} db"
bash -c "mysqldump -u root -p{SECRET} x | gzip"
bash -c "cd /x && mysqldump -p{SECRET}"
sh -c "app --password {SECRET} --verbose"
sh -c "SECRET={SECRET} app"
sh -c "echo {SECRET} | passwd --stdin u"
expect -c "send {SECRET}"
app --password={SECRET}
app --password {SECRET}
app -password {SECRET}
app --pass {SECRET}
app --pw={SECRET}
app --api-key={SECRET}
app --apikey {SECRET}
app --access-token {SECRET}
app --client-secret {SECRET}
app --secret-id {SECRET}
app --auth {SECRET}
app --auth-token {SECRET}
app --key {SECRET}
app --bearer {SECRET}
app --otp {SECRET}
kubectl --token {SECRET}
consul -token={SECRET}
gpg --passphrase {SECRET}
rclone --sftp-pass {SECRET}
restic --password-command 'echo {SECRET}'
helm --set auth.password={SECRET}
mount -o username=u,password={SECRET}
wget --http-password={SECRET}
docker run -e TOKEN={SECRET} image
java -Djavax.net.ssl.keyStorePassword={SECRET}
java -Dapp.secret.key={SECRET}
python -c "token='{SECRET}'"
env DB_PASSWORD={SECRET} app
env DB_PASS={SECRET} app
env DBPASS={SECRET} app
env MYSQL_PWD={SECRET} app
env REDISCLI_AUTH={SECRET} app
env AWS_SECRET_ACCESS_KEY={SECRET} aws
env SECRET_KEY_BASE={SECRET}
env ENCRYPTION_KEY={SECRET}
env BORG_PASSPHRASE={SECRET}
psql postgres://user:{SECRET}@db/x
psql "host=h user=u password={SECRET}"
git clone https://{SECRET}@example.org/x
git clone https://oauth2:{SECRET}@example.org/x
curl ftp://u:p/{SECRET}@h
curl https://u:a@b{SECRET}@h/
curl -H "Authorization: Bearer {SECRET}" https://x
curl -H "authorization: token {SECRET}"
curl -H "Authorization: Digest {SECRET}"
curl -H "X-Api-Key: {SECRET}"
curl -H "X-Vault-Token: {SECRET}"
curl -H "PRIVATE-TOKEN: {SECRET}"
curl -H "Cookie: session={SECRET}"
curl -d '{{"password": "{SECRET}"}}'
curl -d 'user=a&password={SECRET}'
curl 'https://h/?access_token={SECRET}'
curl 'https://h/?sig={SECRET}'
app PASSWORD:{SECRET}
app "--password@{SECRET}"
app пароль={SECRET}
app p\u0430ssword={SECRET}
app --passw\u200bord={SECRET}
""".strip().splitlines()


@pytest.mark.parametrize("line", LINES)
def test_masked(line):
    """The value is gone, the words around it stay: as a list of words, and as one text."""
    words = tuple(word.replace("password@", "password\n") for word in shlex.split(line))

    clean, masked = redact(words)

    assert masked
    assert MASK in " ".join(clean)
    assert SECRET not in " ".join(clean)
    assert clean[0] == words[0]
    assert SECRET not in redact_text(line.replace("password@", "password "))


@pytest.mark.parametrize(
    "line",
    [
        ["sleep", "60"],
        ["sh", "-c", "kill -9 4242; echo done"],
        ["mkdir", "-p", "/tmp/x"],
        ["nginx:", "worker", "process"],
        ["find", "/", "-name", "token.txt"],
        ["ssh", "-p", "2222", "host"],
        ["curl", "https://example.org/a?b=c"],
        ["curl", "http://localhost:8080/logo@2x.png"],
        ["sort", "--key=2", "/etc/passwd"],
        ["openssl", "req", "-key", "server.key"],
        ["gpg", "--batch", "--passphrase-file", "/etc/x"],
        ["ssh", "-o", "PasswordAuthentication=no", "host"],
        ["git", "clone", "ssh://git@example.org/x"],
        ["docker", "run", "-p", "80:80", "-e", "A=b", "image"],
        ["sh", "-c", "PWD=/tmp ls | grep pass"],
        ["mysqld", "--basedir=/usr", "--plugin-dir=/usr/lib"],
        ["docker", "login", "--password-stdin"],
        ["env", "SSH_AUTH_SOCK=/run/agent", "ssh"],
        ["app", "tokenize=1", "author=me", "bypass=1"],
    ],
)
def test_left_alone(line):
    """Ordinary command lines stay as they are."""
    assert (tuple(line), False) == redact(tuple(line))


@given(st.lists(st.text(max_size=60), max_size=8))
def test_any_bytes(words):
    """Any words in, as many words out."""
    assert len(words) == len(redact(tuple(words))[0])


@pytest.mark.parametrize(
    "token",
    [
        "AKIA" + "A" * 16,
        "ghp_" + "a" * 20,
        "glpat-" + "a" * 20,
        "xoxb-" + "a" * 10,
        "eyJ" + "a" * 10 + ("." + "a" * 10) * 2,
        "ASIA" + "A" * 16,
        "AIza" + "a" * 35,
        "sk_live_" + "a" * 24,
        "sk-proj-" + "a" * 40,
        "SG." + "a" * 22 + "." + "b" * 43,
        "npm_" + "a" * 36,
        "pypi-" + "a" * 40,
        "hvs." + "a" * 24,
        "github_pat_" + "a" * 40,
        "dop_v1_" + "a" * 64,
    ],
)
def test_the_shortest_of_each_known_kind(token):
    """A token that is as short as its kind can be is masked by its form alone."""
    assert redact(("app", token)) == (("app", "***"), True)


@pytest.mark.parametrize(
    "piece",
    ["a", "a-", "'", '"', '\\"', "a:", "://a:", "echo ", "key=", "a.", "pass", "\u043e", '{"password":"',
     "hooks.slack.com/services/", "password ", "authorization:", "eyJ", "eyJ-", "(", "-"],
)  # fmt: skip
def test_no_text_takes_long(piece):
    """A process that overwrites its command line costs its reader no time (100 kB; a second is far)."""
    text = piece * (100_000 // len(piece))
    begin = time.process_time()

    redact((text, "mysql", text))
    redact_text(text + "=x")

    assert time.process_time() - begin < 5
