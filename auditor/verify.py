#!/usr/bin/env python3
"""Verifies an export of Keyledger's audit log.

    python3 auditor/verify.py <folder> [--key <vkey>]... [--state <file>] [--known <file>]... [--accept <log>]... [--json]

Exits with 0 if the export is sound, 1 if it was tampered with, 2 if it is incomplete.

This is a second verifier, written from the description of the format (docs/audit.md) and sharing nothing with
Keyledger's own: an error in one of the two should not be in the other. It needs Python 3.8 and the command `openssl`
(1.1.1 or later, for Ed25519), and nothing else. It does not compare state, which would take the rules by which events
become state.
"""

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import secrets
import stat
import subprocess
import sys
import tempfile

INCOMPLETE = {"file-missing", "file-short", "unreadable", "no-key"}
COUNT = re.compile(r"(0|[1-9][0-9]{0,15})\Z")
MAX_COUNT = 2**53 - 1
# Deeper than any value that Keyledger writes, and shallow enough for whoever walks through it.
MAX_NESTED = 128
# So many leaves may lack their tiles, which are then named one by one.
MAX_MISSING = 64 * 256
MISSING = object()


class Findings:
    def __init__(self, accepts=(), accepted_before=()):
        self.all, self.accepted = [], []
        self.accepts, self.accepted_before = set(accepts), set(accepted_before)

    def add_loss(self, log, kind, what, detail, lost):
        """What was lost before the log of this origin was opened, which says so: a finding unless that is accepted."""
        if log in self.accepts or (log, lost) in self.accepted_before:
            self.accepted.append({"kind": kind, "what": what, "detail": detail, "log": log, "lost": lost})
        else:
            self.add(kind, what, detail)

    def add(self, kind, what, detail):
        self.all.append({"kind": kind, "what": what, "detail": detail})

    def verdict(self):
        if not self.all:
            return "sound"
        return "incomplete" if all(f["kind"] in INCOMPLETE for f in self.all) else "tampered"


# --- Small things ---------------------------------------------------------------------------------------------------


def count_of(text):
    """A whole number as a checkpoint writes it, or None."""
    return int(text) if COUNT.match(text) and int(text) <= MAX_COUNT else None


def whole(value):
    """A whole number below 2^53 in JSON, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT else None


def number_of(value):
    """A number in JSON; one that equals nothing for anything else: true is not 1."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")


def text_of(value):
    """What stands for a value in a name."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join(map(text_of, value))
    return "undefined" if value is MISSING else "[object Object]" if isinstance(value, dict) else json.dumps(value)


def number_in(text):
    """2.0 and 2e0 are 2."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) <= MAX_COUNT else number


def refuse(name):
    raise ValueError("%s is no JSON" % name)


def parse_json(text):
    """ValueError for what is none, and for what is nested deeper than Keyledger ever writes."""
    if text.count("[") + text.count("{") > MAX_NESTED:
        depth = 0
        for token in re.findall(r'[][{}]', re.sub(r'"[^"\\]*(?:\\.[^"\\]*)*"', "", text, flags=re.DOTALL)):
            depth += 1 if token in "[{" else -1
            if depth > MAX_NESTED:
                raise ValueError("It is nested too deeply.")
    return json.loads(text, parse_float=number_in, parse_constant=refuse)


def printable(line):
    """Names come from whoever made the export: nothing in them moves the cursor, hides a line or turns text around."""
    return CONTROLS.sub(lambda match: "\\u%04x" % ord(match[0]), line)


CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def unbase64(text, length=None):
    """Bytes of canonical base64, or None."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return None
    if base64.b64encode(data).decode() != text or (length is not None and len(data) != length):
        return None
    return data


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(entry):
    return sha256(b"\x00" + entry)


def join(left, right):
    return sha256(b"\x01" + left + right)


# --- Merkle trees (RFC 6962) ----------------------------------------------------------------------------------------


def roots_at(leaves, sizes):
    """Size to root, for those sizes that the tree reaches. Complete subtrees are kept as (height, hash)."""
    wanted, roots, subtrees = set(sizes), {}, []
    if 0 in wanted:
        roots[0] = sha256(b"")
    for size, leaf in enumerate(leaves, 1):
        subtrees.append((0, leaf))
        while len(subtrees) > 1 and subtrees[-1][0] == subtrees[-2][0]:
            height, right = subtrees.pop()
            subtrees[-1] = (height + 1, join(subtrees[-1][1], right))
        if size in wanted:
            root = subtrees[-1][1]
            for _, left in reversed(subtrees[:-1]):
                root = join(left, root)
            roots[size] = root
    return roots


def complete_root(hashes):
    """Of a number of hashes that is a power of two."""
    while len(hashes) > 1:
        hashes = [join(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def root_from_proof(index, size, leaf, proof):
    """The root that an inclusion proof comes to, or None where it is too short or too long."""

    def climb(at, count, rest):
        if count == 1:
            return leaf if not rest else None
        if not rest:
            return None
        split = 1 << (count - 1).bit_length() - 1
        if at < split:
            below = climb(at, split, rest[:-1])
            return below and join(below, rest[-1])
        below = climb(at - split, count - split, rest[:-1])
        return below and join(rest[-1], below)

    return climb(index, size, list(proof)) if 0 <= index < size else None


def tile_path(level, index, width):
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
    return "tile/%s/%s%s" % (level, path, "" if width == 256 else ".p/%d" % width)


# --- Signed notes (C2SP signed-note) --------------------------------------------------------------------------------


class Key:
    """An Ed25519 key under a name."""

    def __init__(self, name, public):
        self.name, self.public = name, public
        self.id = sha256(name.encode("utf-8", "surrogatepass") + b"\n\x01" + public)[:4]
        self.vkey = "%s+%s+%s" % (name, self.id.hex(), base64.b64encode(b"\x01" + public).decode())

    def under(self, name):
        return Key(name, self.public)

    def verifies(self, text, signature):
        pem = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + self.public).decode()
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("key", "text", "signature")]
            contents = [b"-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n" % pem.encode(), text, signature]
            for path, content in zip(paths, contents):
                with open(path, "wb") as file:
                    file.write(content)
            command = [
                "openssl",
                "pkeyutl",
                "-verify",
                "-pubin",
                "-inkey",
                paths[0],
                "-rawin",
                "-in",
                paths[1],
                "-sigfile",
                paths[2],
            ]
            return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def is_name(name):
    return (
        name != ""
        and "+" not in name
        and not any(char.isspace() or ord(char) < 32 or 127 <= ord(char) < 160 for char in name)
    )


def parse_vkey(vkey):
    if not isinstance(vkey, str):
        return None
    parts = vkey.split("+", 2)
    material = unbase64(parts[2], 33) if len(parts) == 3 else None
    if material is None or material[0] != 1 or not is_name(parts[0]):
        return None
    key = Key(parts[0], material[1:])
    return key if key.vkey == vkey else None


VERIFIED = {}


def open_note(note, keys):
    """(text, keys that signed it, None), or (None, [], why it is not to be believed)."""
    if len(note) > 1000000:
        return None, [], "it is too long for a signed note"
    if any((ord(char) < 32 and char != "\n") or 0xD800 <= ord(char) < 0xE000 for char in note):
        return None, [], "it has characters that a signed note can not have"
    split = note.rfind("\n\n")
    if split < 0 or not note.endswith("\n"):
        return None, [], "it is no signed note"
    text, lines = note[: split + 1], note[split + 2 : -1].split("\n")
    if len(lines) > 100:
        return None, [], "it has more than 100 signatures"
    signers = []
    for line in lines:
        parts = line.split(" ")
        data = unbase64(parts[2]) if len(parts) == 3 else None
        if data is None or parts[0] != "\u2014" or not is_name(parts[1]) or len(data) <= 4:
            return None, [], "it has a line among its signatures that is none"
        for key in keys:
            if key.name == parts[1] and key.id == data[:4]:
                call = (key.vkey, text, data[4:])
                if call not in VERIFIED:
                    VERIFIED[call] = key.verifies(text.encode(), data[4:])
                if not VERIFIED[call]:
                    return None, [], "the signature of %s is wrong" % key.vkey
                signers.append(key)
                break
    if not signers:
        return None, [], "no trusted key signed it"
    return text, signers, None


def signed_text(note):
    return note[: note.rfind("\n\n") + 1]


def parse_checkpoint(text):
    """(origin, size, root), or None."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[0] == "" or lines[3] != "":
        return None
    size, root = count_of(lines[1]), unbase64(lines[2], 32)
    return None if size is None or root is None else (lines[0], size, root)


def parse_head(text):
    """(origin, account, count, size, root) of an account head, or None."""
    lines = text.split("\n")
    if len(lines) != 6 or not lines[0].endswith(" account-head") or lines[5] != "":
        return None
    origin, count, size, root = (
        lines[0][: -len(" account-head")],
        count_of(lines[2]),
        count_of(lines[3]),
        unbase64(lines[4], 32),
    )
    if origin == "" or None in (count, size, root) or not re.match(r"[A-Za-z]+_[0-9A-Za-z]+\Z", lines[1]):
        return None
    return origin, lines[1], count, size, root


def host_of(origin):
    """An origin is <host>/audit/<number>; one that is not is a host of its own."""
    return re.sub(r"/[0-9]+\Z", "", origin)


class Trust:
    """A key that is trusted for one log of a host is so for all of them: what is signed says which log it is about."""

    def __init__(self, keys):
        self.keys = list(keys)

    def of(self, origin):
        own = [key.under(origin) for key in self.keys if host_of(key.name) == host_of(origin)]
        return list({key.vkey: key for key in own}.values())

    def follow(self, origin, announcements, notes, is_ours):
        """Keys that an entry announces, under a checkpoint of a key that is trusted, are trusted as well."""
        announced = [
            (leaf, key)
            for leaf, entry in announcements
            for key in map(parse_vkey, entry["keys"])
            if key and key.name == origin
        ]
        trusted = {key.vkey for key in self.of(origin)}
        if all(key.vkey in trusted for _, key in announced):
            return
        reach = {}
        for note in notes:
            for key in self.of(origin) + [key for _, key in announced]:
                text, _, problem = open_note(note, [key])
                checkpoint = None if problem else parse_checkpoint(text)
                if checkpoint and is_ours(checkpoint):
                    reach[key.vkey] = max(reach.get(key.vkey, 0), checkpoint[1])
        more = True
        while more:
            trusted = {key.vkey for key in self.of(origin)}
            size = max([reach.get(vkey, 0) for vkey in trusted] + [0])
            more = [key for leaf, key in announced if leaf < size and key.vkey not in trusted]
            self.keys += more


# --- The folder -----------------------------------------------------------------------------------------------------


def open_file(path):
    """Opens no link, and waits for nobody to write into a pipe."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("%s is no file" % path)
    return file


class Folder:
    """Only what the manifest lists."""

    def __init__(self, root, findings):
        self.root, self.findings, self.files = root, findings, set()

    def open(self):
        if not self.is_own_file("manifest.sha256"):
            return False
        listed = {}
        try:
            with open_file(os.path.join(self.root, "manifest.sha256")) as file:
                text = file.read().decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        except OSError:
            self.findings.add(
                "file-missing", "manifest.sha256", "It is written last: the export was interrupted, or this is none."
            )
            return False
        for line in text.split("\n")[:-1]:
            match = re.match(r"([0-9a-f]{64}) [ *]([A-Za-z0-9][A-Za-z0-9._/-]*)\Z", line)
            if not match or any(part in ("", "..") for part in match[2].split("/")):
                self.findings.add("unreadable", "manifest.sha256", "It has a line that is no hash and path.")
                return False
            listed[match[2]] = match[1]
        if not text.endswith("\n"):
            self.findings.add("file-short", "manifest.sha256", "Its last line is cut off.")
            return False
        self.files = set(listed)
        return all([self.is_whole(path, expected) for path, expected in sorted(listed.items())])

    def is_own_file(self, path):
        """Whether what lies there is a file in folders of the export, or nothing. A link leads to what nobody exported,
        a pipe or a device would be read without end."""
        parts = path.split("/")
        for at in range(1, len(parts) + 1):
            try:
                mode = os.lstat(os.path.join(self.root, *parts[:at])).st_mode
            except OSError:
                return True
            if not (stat.S_ISREG(mode) if at == len(parts) else stat.S_ISDIR(mode)):
                self.findings.add(
                    "unreadable", path, "It is no file in a folder of the export, but a link or a device."
                )
                return False
        return True

    def is_whole(self, path, expected):
        if not self.is_own_file(path):
            return False
        digest = hashlib.sha256()
        try:
            with open_file(os.path.join(self.root, path)) as file:
                for chunk in iter(lambda: file.read(1 << 20), b""):
                    digest.update(chunk)
        except OSError:
            self.findings.add("file-missing", path, "The manifest lists it, and it is not there.")
            return False
        if digest.hexdigest() == expected:
            return True
        self.findings.add(
            "file-short", path, "It is not the file that was exported: its length or its content differs."
        )
        return False

    def bytes(self, path):
        if path not in self.files:
            return None
        with open_file(os.path.join(self.root, path)) as file:
            return file.read()

    def text(self, path):
        try:
            data = self.bytes(path)
            return None if data is None else data.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def rows(self, path, is_quiet=False):
        if path not in self.files:
            return
        with open_file(os.path.join(self.root, path)) as file:
            for number, line in enumerate(file, 1):
                try:
                    row = parse_json(line.decode("utf-8", "replace"))
                    if not line.endswith(b"\n") or not isinstance(row, dict):
                        raise ValueError
                except ValueError:
                    if not is_quiet:
                        self.findings.add("unreadable", path, "Line %d is no row." % number)
                    continue
                yield row


def read_export(folder, findings):
    text = folder.text("export.json")
    if text is None:
        findings.add("file-missing", "export.json", "It says which logs there are.")
        return None
    try:
        said = parse_json(text)
        if said["format"] != "keyledger-audit-export" or whole(said["version"]) != 1:
            raise ValueError
        if not isinstance(said["logs"], list):
            raise ValueError
        logs = [
            {
                "number": whole(log["number"]),
                "origin": log["origin"] if isinstance(log["origin"], str) else None,
                "size": whole(log["size"]),
                "root": unbase64(log["root"], 32),
            }
            for log in said["logs"]
        ]
        if any(None in log.values() for log in logs):
            raise ValueError
        if said["log"] is not None and whole(said["log"]) not in [log["number"] for log in logs]:
            raise ValueError
        shards = {
            count_of(shard): (whole(row["head"]), row["lastEventId"]) for shard, row in said["shards"].items()
        }
        if None in shards or any(head is None or not isinstance(last, str) for head, last in shards.values()):
            raise ValueError
        return {"current": said["log"], "logs": sorted(logs, key=lambda log: log["number"]), "shards": shards}
    except (ValueError, KeyError, TypeError, AttributeError):
        findings.add("unreadable", "export.json", "It is not version 1 of keyledger-audit-export.")
        return None


# --- One log --------------------------------------------------------------------------------------------------------

FRAME = re.compile(
    rb',"mac":"([A-Za-z0-9+/]{43}=)","macSecretId":"([a-z0-9-]{1,32})",'
    rb'"occurredAt":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)"'
    rb',"position":([1-9][0-9]{0,15}),"shard":(0|[1-9][0-9]{0,4}),"shardPosition":([1-9][0-9]{0,15}),"v":1\}\Z'
)


def read_entry(entry):
    """("event", shard, position in it) or ("log", its content), or None for what Keyledger does not make."""
    if entry.startswith(b'{"body":'):
        match = FRAME.search(entry, max(8, entry.rfind(b',"mac":"')))
        if not match or unbase64(match[1].decode(), 32) is None:
            return None
        return "event", int(match[5]), int(match[6])
    try:
        content = parse_json(entry.decode("utf-8"))
        # Canonical JSON (RFC 8785) of strings and whole numbers: sorted members, nothing escaped that need not be.
        text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        log = content["log"]
        members = {"opened": {"at", "continues", "keys", "kind", "origin"}, "keys": {"at", "keys", "kind"}}[log["kind"]]
        if text.encode("utf-8") != entry or set(content) != {"log", "v"} or whole(content["v"]) != 1:
            return None
        if set(log) != members or not isinstance(log["at"], str) or not isinstance(log["keys"], list):
            return None
        if not all(isinstance(key, str) for key in log["keys"]):
            return None
        if log["kind"] == "opened" and not (isinstance(log["origin"], str) and is_continued(log["continues"])):
            return None
        return "log", log
    except (ValueError, KeyError, TypeError):
        return None


def is_continued(said):
    """What a log says of the one that it follows, or null."""
    if said is None:
        return True
    anchored = said["anchored"]
    return (
        set(said) == {"anchored", "note", "reason"}
        and isinstance(said["note"], str)
        and isinstance(said["reason"], str)
        and (
            anchored is None
            or set(anchored) == {"root", "size"}
            and whole(anchored["size"]) is not None
            and unbase64(anchored["root"]) is not None
        )
    )


class Log:
    def __init__(self, row):
        self.number, self.origin, self.said_size, self.said_root = (
            row["number"],
            row["origin"],
            row["size"],
            row["root"],
        )
        self.note, self.checkpoint = "", None
        self.tiles, self.entries, self.empty, self.announcements = [], [], [], []
        self.claims, self.heads, self.continues = {}, {}, None

    def path(self, name):
        return "audit/%d/%s" % (self.number, name)

    def leaf(self, leaf):
        return "audit/%d leaf %d" % (self.number, leaf)

    def read(self, folder, findings, is_current, sizes):
        self.read_checkpoint(folder, findings)
        self.size = self.size_that_is_there(folder, findings)
        self.read_tiles(folder, findings)
        if is_current:
            self.read_entries(folder, findings)
        else:
            self.entries = list(self.tiles)
            self.read_own_entries(folder, findings)
        sizes = set(sizes) | {row["size"] for row in self.checkpoint_rows(folder) if row}
        nothing = bytes(32)
        pairs = list(zip(self.tiles, self.entries))
        by_tiles = roots_at([tile or entry or nothing for tile, entry in pairs], sizes | {self.size})
        self.differing = [leaf for leaf, (tile, entry) in enumerate(pairs) if tile and entry and tile != entry]
        by_entries = by_tiles
        if self.differing:
            by_entries = roots_at([entry or tile or nothing for tile, entry in pairs], sizes | {self.size})
        signed = self.checkpoint[2] if self.checkpoint else self.said_root
        if by_tiles[self.size] == signed:
            self.trees = [by_tiles]
        elif by_entries[self.size] == signed:
            self.trees = [by_entries]
        else:
            self.trees = [by_tiles, by_entries]
        self.either = [by_tiles, by_entries]
        are_entries_right = self.trees == [by_entries] and by_tiles[self.size] != signed
        order = (lambda tile, entry: entry or tile) if are_entries_right else (lambda tile, entry: tile or entry)
        self.leaves = [order(tile, entry) or nothing for tile, entry in pairs]
        self.root = by_tiles[self.size]
        if are_entries_right:
            for index in sorted({leaf // 256 for leaf in self.differing}):
                findings.add("tile", self.tile_file(0, index), "It has not the hashes of the entries.")
        else:
            for leaf in self.differing:
                findings.add("entry", self.leaf(leaf), "Its entry is not the one that its tile has the hash of.")

    def size_that_is_there(self, folder, findings):
        """A size is only a number that somebody wrote: no more is read than the export has tiles of."""
        said, widths = self.checkpoint[1] if self.checkpoint else self.said_size, {"0": 0, "entries": 0}
        pattern = re.compile(
            re.escape(self.path("tile/")) + r"(0|entries)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?\Z"
        )
        for path in folder.files:
            match = pattern.match(path)
            if match:
                index, width = int(re.sub("[x/]", "", match[2])), int(match[3] or 256)
                is_tile = index <= MAX_COUNT and 1 <= width <= 256
                if is_tile and self.path(tile_path(match[1], index, width)) == path:
                    widths[match[1]] += width
        there = max(widths.values())
        if said <= there + MAX_MISSING:
            return said
        findings.add(
            "checkpoint",
            self.path("checkpoint"),
            "It tells of %d entries, and the export has tiles of %d." % (said, there),
        )
        return there

    def is_root(self, size, root, trees=None):
        return any(tree.get(size) == root for tree in (trees or self.trees))

    def read_checkpoint(self, folder, findings):
        path = self.path("checkpoint")
        note = folder.text(path)
        if note is None:
            return findings.add("checkpoint", path, "There is none.")
        self.note, self.checkpoint = note, parse_checkpoint(signed_text(note))
        if self.checkpoint is None:
            findings.add("checkpoint", path, "It is no checkpoint.")
        elif self.checkpoint[0] != self.origin:
            findings.add("checkpoint", path, "It is of another log.")
        elif self.checkpoint[1:] != (self.said_size, self.said_root):
            findings.add("checkpoint", path, "The database says that the log has another size or root.")

    def width(self, level, index):
        return min(256, (self.size >> 8 * level) - index * 256)

    def tile_file(self, level, index):
        return self.path(tile_path(level, index, self.width(level, index)))

    def read_tile(self, folder, findings, level, index):
        path, width = self.tile_file(level, index), self.width(level, index)
        data = folder.bytes(path)
        if data is not None and len(data) == 32 * width:
            return [data[at : at + 32] for at in range(0, len(data), 32)]
        findings.add(
            "tile", path, "It is missing." if data is None else "It has not the length that the size asks for."
        )
        return [None] * width

    def read_tiles(self, folder, findings):
        level, below = 0, []
        while self.size >> 8 * level:
            hashes = []
            for index in range(-(-(self.size >> 8 * level) // 256)):
                tile = self.read_tile(folder, findings, level, index)
                if level > 0:
                    made = [
                        complete_root(below[at : at + 256])
                        for at in range(index * 65536, (index * 256 + len(tile)) * 256, 256)
                    ]
                    if any(a and a != b for a, b in zip(tile, made)):
                        findings.add("tile", self.tile_file(level, index), "It is not made of the tiles below it.")
                    # What follows is about what the leaves make, not about what stands in a tile.
                    hashes += made
                else:
                    hashes += tile
            if level == 0:
                self.tiles = hashes
            below = [hash or bytes(32) for hash in hashes]
            level += 1

    def read_entries(self, folder, findings):
        for first in range(0, self.size, 256):
            width = min(256, self.size - first)
            path = self.path(tile_path("entries", first // 256, width))
            data, at, entries = folder.bytes(path), 0, []
            while data is not None and at + 2 <= len(data) and len(entries) < width:
                end = at + 2 + int.from_bytes(data[at : at + 2], "big")
                if end > len(data):
                    break
                entries.append(data[at + 2 : end])
                at = end
            if data is None or len(entries) < width or at < len(data):
                findings.add("entry", path, "It is missing, or has not as many entries as the size asks for.")
            for leaf in range(first, first + width):
                self.take_entry(findings, leaf, entries[leaf - first] if leaf - first < len(entries) else b"")

    def take_entry(self, findings, leaf, entry):
        self.entries.append(leaf_hash(entry) if entry else None)
        if not entry:
            return self.empty.append(leaf)
        read = read_entry(entry)
        if read is None:
            return findings.add("entry", self.leaf(leaf), "Its entry is none that Keyledger makes.")
        if read[0] == "log":
            return self.announcements.append((leaf, read[1]))
        _, shard, position = read
        if position > self.size:
            return findings.add("entry", self.leaf(leaf), "Its event stands further back than there are entries.")
        if (shard, position) in self.claims:
            return findings.add("entry", self.leaf(leaf), "Another leaf has the same event.")
        self.claims[shard, position] = leaf
        self.heads[shard] = max(self.heads.get(shard, 0), position)

    def read_own_entries(self, folder, findings):
        for row in folder.rows(self.path("log-entries.ndjson")):
            leaf, entry = whole(row.get("leaf_index")), unbase64(row.get("entry")) or b""
            read = read_entry(entry)
            if (
                leaf is not None
                and leaf < self.size
                and leaf_hash(entry) == self.tiles[leaf]
                and read
                and read[0] == "log"
            ):
                self.announcements.append((leaf, read[1]))
            else:
                findings.add(
                    "entry",
                    "audit/%d leaf %s" % (self.number, text_of(row.get("leaf_index", MISSING))),
                    "It is not the entry of the log itself that was sealed.",
                )

    def checkpoint_rows(self, folder, is_quiet=True):
        """None for a row that is no checkpoint."""
        for row in folder.rows(self.path("checkpoints.ndjson"), is_quiet):
            is_one = isinstance(row.get("root"), str) and isinstance(row.get("note"), str)
            yield row if is_one and whole(row.get("size")) is not None else None

    def check_checkpoints(self, folder, findings, keys):
        path = self.path("checkpoint")

        def check_signature(what, note):
            problem = open_note(note, keys)[2] if note and keys else None
            if problem:
                findings.add("signature", what, "It is not to be believed: %s." % problem)

        check_signature(path, self.note)
        if not self.is_root(self.size, self.checkpoint[2] if self.checkpoint else self.said_root):
            findings.add("root", path, "It is not the root that the entries make.")
        last, good, bad = -1, 0, None
        for row in self.checkpoint_rows(folder, False):
            if row is None:
                findings.add("unreadable", self.path("checkpoints.ndjson"), "It has a row that is no checkpoint.")
                continue
            size, root, note = row["size"], row["root"], row["note"]
            what, checkpoint = "audit/%d checkpoint %d" % (self.number, size), parse_checkpoint(signed_text(note))
            check_signature(what, note)
            if checkpoint is None or checkpoint[:2] != (self.origin, size) or checkpoint[2] != unbase64(root, 32):
                findings.add("checkpoint", what, "Its row says otherwise than its note.")
                continue
            if size <= last or size > self.size:
                findings.add("checkpoint", what, "It is out of order, or larger than the newest.")
            last = size
            if size > self.size:
                continue
            if self.is_root(size, checkpoint[2]):
                good = size
            elif bad is None:
                bad = size
        if self.checkpoint and last != self.checkpoint[1]:
            findings.add("checkpoint", path, "It is not the last of those that were kept.")
        if bad is not None:
            where = (
                "The first %d entries are as they were signed." % good
                if good < bad
                else "It is not the root that the entries made then."
            )
            findings.add("root", "audit/%d checkpoint %d" % (self.number, bad), where)

    def check_opening(self, findings, former):
        what = self.leaf(0)
        entry = next((entry for leaf, entry in self.announcements if leaf == 0), None)
        if entry is None or entry["kind"] != "opened" or entry["origin"] != self.origin:
            return findings.add("former-log", what, "The log does not begin by saying which it is.")
        self.opened_at, self.continues = entry["at"], entry["continues"]
        continues = self.continues
        if former is None:
            if continues is not None:
                findings.add("former-log", what, "It follows a log that is not in the export.")
            return
        if continues is None:
            return findings.add("former-log", what, "It does not say that it follows %s." % former.origin)
        path = former.path("checkpoint")
        if continues["note"] != former.note:
            findings.add("former-log", path, "It is not the checkpoint that the next log was opened after.")
        anchored = continues["anchored"]
        if anchored and anchored["size"] > former.size:
            lost = former.lost_range(anchored["size"])
            detail = "They were sealed and anchored, and were lost before the next log was opened."
            findings.add_loss(self.origin, "former-log", lost, detail, lost)
        elif anchored and unbase64(anchored["root"]) != former.root_at(anchored["size"]):
            findings.add("former-log", path, "An anchor had another root of that size when the next log was opened.")

    def root_at(self, size):
        return roots_at(self.leaves[:size], {size})[size]

    def lost_range(self, anchored_size):
        """What it had up to that size, and has no more."""
        return "audit/%d leaves %d to %d" % (self.number, self.size, anchored_size - 1)

    def not_in(self, others):
        """Leaves of events that are in none of the other logs."""
        own = {0} | {leaf for leaf, _ in self.announcements}
        still = set().union(*(other.leaves for other in others))
        return [leaf for leaf, hash in enumerate(self.leaves) if leaf not in own and hash not in still]

    def check_carried_over(self, findings, follower, current):
        lost = self.not_in([follower, current])
        at = 0
        while at < len(lost):
            first = last = lost[at]
            while at + 1 < len(lost) and lost[at + 1] == last + 1:
                at, last = at + 1, last + 1
            at += 1
            leaves = "leaf %d" % first if first == last else "leaves %d to %d" % (first, last)
            place = "audit/%d %s" % (self.number, leaves)
            detail = "What was sealed there is not in the log that followed."
            findings.add_loss(follower.origin, "former-log", place, detail, place)


# --- Events ---------------------------------------------------------------------------------------------------------

NUMBERS = ("shard", "shard_position", "position", "version", "schema_version")
TEXTS = (
    "account_id",
    "event_id",
    "stream_id",
    "stream_kind",
    "type",
    "actor_kind",
    "correlation_id",
    "decided_at",
    "occurred_at",
    "mac_secret_id",
    "body",
    "mac",
)
OPTIONAL = ("actor_id", "credential_key_id", "credential_code_id")
COLUMNS = set(NUMBERS + TEXTS + OPTIONAL + ("data",))
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def is_event(row):
    return (
        set(row) == COLUMNS
        and all(
            isinstance(row[name], int) and not isinstance(row[name], bool) and abs(row[name]) <= MAX_COUNT
            for name in NUMBERS
        )
        and all(isinstance(row[name], str) for name in TEXTS)
        and all(row[name] is None or isinstance(row[name], str) for name in OPTIONAL)
    )


def entry_of(row):
    frame = ',"mac":"%s","macSecretId":%s,"occurredAt":%s,"position":%d,"shard":%d,"shardPosition":%d,"v":1}' % (
        base64.b64encode(row["mac"]).decode(),
        json.dumps(row["mac_secret_id"], ensure_ascii=False), json.dumps(row["occurred_at"], ensure_ascii=False),
        row["position"], row["shard"], row["shard_position"],
    )  # fmt: skip
    return b'{"body":' + row["body"] + frame.encode("utf-8", "surrogatepass")


def shard_of(account_id):
    match = re.match(r"acct_([0-9A-Za-z])([0-9A-Za-z])[0-9A-Za-z]{20}\Z", account_id)
    return BASE62.index(match[1]) * 62 + BASE62.index(match[2]) if match else None


def same(a, b):
    """As JSON: true is not 1, and 1 is 1.0."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def is_body(body):
    """Whether its members have the types that Keyledger gives them: whoever has the signing key can seal anything."""
    if not isinstance(body, dict):
        return False
    texts = ("eventId", "accountId", "streamId", "streamKind", "type", "correlationId", "decidedAt")
    numbers = [body.get(name) for name in ("version", "schemaVersion")]
    personal = body.get("personal")
    digests = personal.values() if isinstance(personal, dict) else personal if isinstance(personal, list) else []
    return (
        all(isinstance(body.get(name), str) for name in texts)
        and all(isinstance(one, int) and not isinstance(one, bool) and abs(one) <= MAX_COUNT for one in numbers)
        and all(isinstance(digest, str) for digest in digests)
    )


def read_body(row):
    """The row as its body says it is, and the columns that say otherwise."""
    try:
        body = parse_json(row["body"].decode("utf-8", "replace"))
        if not is_body(body):
            raise ValueError
    except ValueError:
        return None, ["body"]
    part = lambda name: body.get(name) if isinstance(body.get(name), dict) else {}
    repeated = {
        "event_id": body.get("eventId"), "account_id": body.get("accountId"), "stream_id": body.get("streamId"),
        "stream_kind": body.get("streamKind"), "version": body.get("version"), "type": body.get("type"),
        "schema_version": body.get("schemaVersion"), "correlation_id": body.get("correlationId"),
        "actor_kind": part("actor").get("kind", MISSING), "actor_id": part("actor").get("id", MISSING),
        "credential_key_id": part("credential").get("keyId"), "credential_code_id": part("credential").get("codeId"),
        "decided_at": re.sub(r"Z\Z", "000Z", body["decidedAt"]), "data": body.get("data", MISSING),
    }  # fmt: skip
    columns = [name for name in repeated if not same(row[name], repeated[name])]
    if row["shard"] != shard_of(row["account_id"]) and "account_id" not in columns:
        columns.append("shard")
    return dict(row, **repeated, personal=part("personal")), columns


def is_shard(value):
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_COUNT


def place_of(user_id, row):
    """Where a value of a person stands."""
    return user_id, text_of(row.get("version", MISSING)), text_of(row.get("name", MISSING))


class Shard:
    """What one shard's events come to."""

    def __init__(self, number, counted):
        self.number, self.counted = number, counted
        self.head, self.missing, self.last_event_id, self.last_time = 0, 0, "", ""
        self.streams, self.accounts, self.broken, self.personal, self.erased, self.pending = {}, {}, set(), {}, {}, []


class Events:
    def __init__(self, folder, findings, log, exported, heads):
        self.folder, self.findings, self.log, self.exported, self.heads = folder, findings, log, exported, heads
        self.index = {hash: leaf for leaf, hash in reversed(list(enumerate(log.leaves)))}
        self.taken, self.count, self.pending, self.erased = set(), 0, 0, []
        self.accounts = {}
        for row in folder.rows("accounts.ndjson"):
            account_id = text_of(row.get("account_id", MISSING))
            if account_id in self.accounts:
                findings.add("counter", account_id, "It is counted twice.")
            self.accounts[account_id] = number_of(row.get("shard")), number_of(row.get("position"))

    def take(self, leaf):
        if leaf in self.taken:
            return False
        self.taken.add(leaf)
        return True

    def check(self):
        # Also a shard that there can't be, but that a row was written to.
        pattern = re.compile(r"(?:events|streams|state/[a-z]+)/(0|-?[1-9][0-9]{0,14})\.ndjson\Z")
        named = set()
        for path in sorted(self.folder.files):
            match = pattern.match(path)
            if match:
                named.add(int(match[1]))
            elif path.split("/")[0] in ("events", "streams", "state"):
                self.findings.add("unreadable", path, "It is no file of a shard.")
        personal = [row.get("shard") for row in self.folder.rows("personal.ndjson")]
        named |= {shard for shard in personal if is_shard(shard)}
        if not all(map(is_shard, personal)):
            self.findings.add("personal", "personal.ndjson", "It has a row of no shard.")
        unseen = dict(self.accounts)
        for number in sorted(named | set(self.exported["shards"]) | set(self.log.heads)):
            head, last_event_id = self.exported["shards"].get(number, (None, ""))
            shard = Shard(number, float("inf") if head is None else head)
            for row in self.folder.rows("events/%d.ndjson" % number):
                if is_event(row) and row["shard"] != number:
                    detail = "It stands among those of shard %d." % number
                    self.findings.add("event-inserted", row["event_id"], detail)
                elif is_event(row):
                    # Any other spelling than the canonical one is not what was exported, and stands for no bytes.
                    body, mac = unbase64(row["body"]) or b"", unbase64(row["mac"]) or b""
                    self.check_event(shard, dict(row, body=body, mac=mac))
                else:
                    self.findings.add("unreadable", "events/%d.ndjson" % number, "It has a row that is no event.")
            self.pending += len(shard.pending)
            self.check_counters(shard, head, last_event_id, unseen)
            self.check_personal(shard)
        for account_id in unseen:
            self.findings.add("counter", account_id, "It is counted, and has no events.")
        own = {leaf for leaf, _ in self.log.announcements}
        for leaf in range(self.log.size):
            if leaf not in self.taken and leaf not in own:
                self.findings.add("event-missing", self.log.leaf(leaf), "The event that was sealed here is not there.")
        for leaf in self.log.empty:
            if leaf in self.taken:
                self.findings.add("entry", self.log.leaf(leaf), "It has no entry, though its event is there.")

    def check_event(self, shard, row):
        self.count += 1
        said, columns = read_body(row)
        kind, leaf = self.seal_of(shard, row)
        differs = "Its body says otherwise than %s." % ", ".join(columns) if columns else ""
        if kind == "inserted":
            self.findings.add("event-inserted", row["event_id"], "It was never sealed, or is there twice. " + differs)
            if row["shard_position"] == shard.head + 1 and row["shard_position"] <= shard.counted:
                shard.head += 1
        elif kind == "changed" or said is None:
            self.findings.add("event-changed", row["event_id"], "It is not as it was sealed. " + differs)
            self.advance(shard, row)
            shard.broken |= {row["stream_id"], said["stream_id"] if said else row["stream_id"]}
        elif kind == "sealed":
            # What was sealed is its body: that is gone on with, whatever the columns beside it say.
            if columns:
                self.findings.add("event-changed", said["event_id"], differs)
            for head in self.heads:
                at = head["leaf_of"].get(self.log.leaves[leaf])
                if head["account"] == said["account_id"] and at is not None and at < head["size"]:
                    head["found"] += 1
            self.follow(shard, said, "event-order")
        else:
            if columns:
                self.findings.add("pending", row["event_id"], differs)
                shard.broken |= {row["stream_id"], said["stream_id"]}
            self.follow(shard, dict(said, **row), "pending")

    def seal_of(self, shard, row):
        leaf, position = self.index.get(leaf_hash(entry_of(row))), row["shard_position"]
        if leaf is not None:
            if not self.take(leaf):
                return "inserted", None
            for event_id in shard.pending:
                self.findings.add("event-changed", event_id, "It is not as it was sealed.")
            shard.pending = []
            return "sealed", leaf
        claimed = self.log.claims.get((shard.number, position))
        if claimed is not None:
            return ("changed" if self.take(claimed) else "inserted"), None
        if position <= self.log.heads.get(shard.number, 0):
            return "inserted", None
        is_next = row["position"] == shard.accounts.get(row["account_id"], 0) + 1
        is_counted = is_next and row["position"] <= self.accounts.get(row["account_id"], (None, 0))[1]
        if position > shard.counted and not is_counted:
            return "inserted", None
        shard.pending.append(row["event_id"])
        return "pending", None

    def lack(self, shard, to):
        first = shard.head + 1
        if first > to:
            return
        positions = "position %d" % first if first == to else "positions %d to %d" % (first, to)
        self.findings.add("event-missing", "shard %d, %s" % (shard.number, positions), "Not there.")
        shard.missing += to - shard.head
        shard.head = to

    def advance(self, shard, row):
        self.lack(shard, row["shard_position"] - 1)
        shard.accounts[row["account_id"]] = shard.accounts.get(row["account_id"], 0) + 1
        shard.head = max(shard.head, row["shard_position"])
        shard.last_event_id = row["event_id"]

    def follow(self, shard, row, kind):
        event_id, stream_id, account_id, position = (
            row["event_id"],
            row["stream_id"],
            row["account_id"],
            row["position"],
        )
        if row["shard_position"] <= shard.head:
            return self.findings.add(kind, event_id, "It stands behind position %d." % shard.head)
        before, last_time = shard.accounts.get(account_id, 0), shard.last_time
        self.advance(shard, row)
        if row["occurred_at"] <= last_time:
            self.findings.add(kind, event_id, "It occurred no later than the event before it.")
        shard.last_time = row["occurred_at"]
        shard.accounts[account_id] = max(before, position)
        if position != before + 1 and not (position > before and shard.missing):
            self.findings.add(kind, event_id, "It has not the position that follows in %s." % account_id)
        if stream_id in shard.broken:
            return
        known_kind, known_account, version = shard.streams.get(stream_id, (row["stream_kind"], account_id, 0))
        if (known_kind, known_account, version + 1) != (row["stream_kind"], account_id, row["version"]):
            shard.broken.add(stream_id)
            if not shard.missing:
                self.findings.add(kind, event_id, "It does not follow the events of %s before it." % stream_id)
            return
        shard.streams[stream_id] = (known_kind, known_account, row["version"])
        for name, digest in row["personal"].items():
            shard.personal[stream_id, str(row["version"]), name] = digest
        if row["type"] == "user.erased":
            shard.erased[stream_id] = event_id

    def check_counters(self, shard, head, last_event_id, unseen):
        what = "shard %d" % shard.number
        if head is None:
            if shard.head:
                self.findings.add("counter", what, "It has events, and is not counted.")
        elif head > shard.head:
            self.lack(shard, head)
        elif head < shard.head:
            self.findings.add("counter", what, "It counts %d events, and has %d." % (head, shard.head))
        elif not shard.missing and last_event_id != shard.last_event_id:
            self.findings.add("counter", what, "Its last event is another one than its counter says.")
        seen = set()
        for row in self.folder.rows("streams/%d.ndjson" % shard.number):
            stream_id, version = text_of(row.get("stream_id", MISSING)), number_of(row.get("version"))
            stream = shard.streams.get(stream_id)
            seen.add(stream_id)
            if shard.missing and version > (stream[2] if stream else 0):
                shard.broken.add(stream_id)
            if stream_id in shard.broken:
                continue
            if stream is None:
                self.findings.add("counter", stream_id, "It is counted, and has no events.")
            elif stream != (row.get("kind"), row.get("account_id"), version):
                self.findings.add("counter", stream_id, "Its counter says otherwise than its events.")
        for stream_id in shard.streams:
            if stream_id not in seen and stream_id not in shard.broken:
                self.findings.add("counter", stream_id, "It has events, and is not counted.")
        for account_id, position in shard.accounts.items():
            counter = unseen.pop(account_id, None)
            if counter is None:
                self.findings.add("counter", account_id, "It has events, and is not counted.")
            elif counter[0] != shard.number or (
                counter[1] != position and not (shard.missing and counter[1] >= position)
            ):
                self.findings.add("counter", account_id, "Its counter says otherwise than its events.")
        if shard.missing:
            for account_id in [name for name, counter in unseen.items() if counter[0] == shard.number]:
                del unseen[account_id]

    def check_personal(self, shard):
        expected = {place: digest for place, digest in shard.personal.items() if place[0] not in shard.broken}
        name_of = lambda place: "%s/%s/%s" % place
        keys = set()
        for row in self.folder.rows("personal.ndjson", True):
            user_id = text_of(row.get("user_id", MISSING))
            if number_of(row.get("shard")) != shard.number or user_id in shard.broken:
                continue
            is_key, place = row.get("key") is True, place_of(user_id, row)
            what = "key of %s" % user_id if is_key else name_of(place)
            if is_key:
                keys.add(user_id)
            if user_id in shard.erased:
                self.findings.add("personal", what, "It is still there, though the log says it was erased.")
            elif is_key:
                if user_id not in shard.streams:
                    self.findings.add("personal", what, "The log knows no such user.")
            elif place not in expected:
                self.findings.add("personal", what, "The log says nothing of it.")
            elif expected[place] != row.get("sha256"):
                self.findings.add("personal", what, "It is not what the log has the hash of.")
            expected.pop(place, None)
        for place in expected:
            if place[0] not in shard.erased:
                self.findings.add(
                    "personal", name_of(place), "It is missing, and the log does not say that it was erased."
                )
        for user_id in sorted({place[0] for place in shard.personal}):
            if user_id not in keys and user_id not in shard.erased and user_id not in shard.broken:
                self.findings.add(
                    "personal", "key of %s" % user_id, "It is missing, and the log does not say that it was erased."
                )
        for user_id, event_id in shard.erased.items():
            values = sum(1 for place in shard.personal if place[0] == user_id)
            self.erased.append({"userId": user_id, "eventId": event_id, "values": values})


# --- What was kept outside ------------------------------------------------------------------------------------------


def parse_known(what, text):
    """Checkpoints of a file (a signed note, a proof, an account head, lines of an anchor), or None for anything else"""
    if text.lstrip().startswith("{"):
        known = []
        for number, line in enumerate(text.split("\n"), 1):
            try:
                row = parse_json(line)
            except ValueError:
                continue  # A line that a server did not live to finish.
            checkpoint = parse_checkpoint(signed_text(str(row.get("note")))) if isinstance(row, dict) else None
            said = checkpoint and (row.get("origin"), whole(row.get("size")), unbase64(row.get("root"), 32))
            if checkpoint is None or checkpoint != said:
                return None
            known.append(known_of("%s, line %d" % (what, number), row["note"], checkpoint))
        return known or None
    if text.startswith("c2sp.org/tlog-proof@v1\n"):
        head, _, note = text.partition("\n\n")
        lines = head.split("\n")[1:]
        if lines and lines[0].startswith("extra "):
            lines.pop(0)
        index = count_of(lines[0][6:]) if lines and lines[0].startswith("index ") else None
        proof, checkpoint = [unbase64(line, 32) for line in lines[1:]], parse_checkpoint(signed_text(note))
        if index is None or checkpoint is None or None in proof:
            return None
        return [dict(known_of(what, note, checkpoint), proof=(index, proof))]
    checkpoint, head = parse_checkpoint(signed_text(text)), parse_head(signed_text(text))
    if checkpoint:
        return [known_of(what, text, checkpoint)]
    if head:
        origin, account, count, size, root = head
        return [
            dict(
                known_of(what, text, (origin, size, root)),
                head={"what": what, "account": account, "count": count, "size": size, "found": 0},
            )
        ]
    return None


def known_of(what, note, checkpoint):
    return {"what": what, "note": note, "origin": checkpoint[0], "size": checkpoint[1], "root": checkpoint[2]}


def check_known(findings, trust, logs, known):
    for one in known:
        what, origin, size = one["what"], one["origin"], one["size"]
        # One state serves for several installations.
        if one["note"] is None and logs and all(host_of(log.origin) != host_of(origin) for log in logs):
            continue
        if one["note"] is not None:
            problem = open_note(one["note"], trust.of(origin))[2]
            if problem:
                findings.add("no-key", what, "It is not compared: %s." % problem)
                continue
        log = next((log for log in logs if log.origin == origin), None)
        if log is None or size > log.size:
            tell_shorter(findings, one, log, logs)
        elif not log.is_root(size, one["root"]):
            findings.add("history-differs", what, "%s had another root when it had %d entries." % (origin, size))
        elif "proof" in one:
            index, proof = one["proof"]
            if index >= log.size or root_from_proof(index, size, log.leaves[index], proof) != one["root"]:
                findings.add("history-differs", what, "Leaf %d is not the one that was proven." % index)


def tell_shorter(findings, one, log, logs):
    """A log that ends earlier than it did, or is gone."""
    origin, size, what = one["origin"], one["size"], one["what"]
    if log is None:
        detail = "The log %s had %d entries, and is not in the export." % (origin, size)
        return findings.add("history-shorter", what, detail)
    detail = "%s had %d entries, and has %d now." % (origin, size, log.size)
    follower = dict(zip(logs, logs[1:])).get(log)
    anchored = follower and told_by(follower, one)
    if anchored:
        lost = log.lost_range(anchored["size"])
        findings.add_loss(follower.origin, "history-shorter", what, detail, lost)
    else:
        findings.add("history-shorter", what, detail)


def told_by(follower, one):
    """What the next log began by saying of the log that it follows, where that explains what is missing; else None."""
    continues = follower.continues or {"note": "", "anchored": None}
    last, anchored = parse_checkpoint(signed_text(continues["note"])), continues["anchored"]
    if not anchored or not last or last[0] != one["origin"]:
        return None
    # It was there when the next log was opened already.
    if follower.origin in one.get("seen_with", ()):
        return None
    # Of trees that are no more only the one that the entry names can be compared.
    if anchored["size"] == one["size"]:
        return anchored if unbase64(anchored["root"]) == one["root"] else None
    return anchored if anchored["size"] > one["size"] else None


def read_state(path):
    """(keys, known, accepted) of the last verification, or None."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        state = parse_json(text)
        if state["format"] != "keyledger-audit-state" or whole(state["version"]) != 1:
            raise ValueError
        if not isinstance(state["keys"], list) or not isinstance(state["logs"], list):
            raise ValueError
        keys = [parse_vkey(key) for key in state["keys"]]
        kept = [(log["origin"], whole(log["size"]), unbase64(log["root"], 32)) for log in state["logs"]]
        if None in keys or any(None in log or not isinstance(log[0], str) for log in kept):
            raise ValueError
        accepted = [(loss["log"], loss["lost"]) for loss in state.get("accepted", [])]
        if not all(isinstance(text, str) for loss in accepted for text in loss):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise ValueError("%s is not a state of `audit verify`. Name another one by --state." % path) from None
    seen_with = {log[0] for log in kept}
    return keys, [dict(known_of(path, None, log), seen_with=seen_with) for log in kept], accepted


def write_state(path, keys, logs, accepted):
    rows = [{"origin": origin, "size": size, "root": base64.b64encode(root).decode()} for origin, size, root in logs]
    state = {
        "format": "keyledger-audit-state",
        "version": 1,
        "keys": list(dict.fromkeys(key.vkey for key in keys)),
        "logs": rows,
        "accepted": [{"log": log, "lost": lost} for log, lost in dict.fromkeys(accepted)],
    }
    # Nobody can have put a link there before: none is followed, and the name can't be known.
    temporary = "%s.%s.tmp" % (path, secrets.token_hex(8))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "w", encoding="utf-8") as file:
            file.write(json.dumps(state, indent=2) + "\n")
        os.replace(temporary, path)
    except OSError:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise


def is_inside(file, folder):
    """By where both really are, whatever links lead there."""
    places = [
        os.path.join(os.path.realpath(os.path.dirname(file) or "."), os.path.basename(file)),
        os.path.realpath(file),
    ]
    return any(place.startswith(os.path.join(os.path.realpath(folder), "")) for place in places)


# --- All of it ------------------------------------------------------------------------------------------------------


def verify(root, keys, known, accepts=(), accepted_before=()):
    """What is wrong, the trust that was come to, and the logs. `accepts`: origins of logs, whatever was lost before which
    is known of; `accepted_before`: (origin, leaves) of what is known of from earlier."""
    findings, trust, logs = Findings(accepts, accepted_before), Trust(keys), []
    report = {
        "verdict": "",
        "origin": None,
        "size": 0,
        "root": "",
        "events": 0,
        "pending": 0,
        "erased": [],
        "opened": [],
        "state": "not compared",
    }
    folder = Folder(root, findings)
    exported = read_export(folder, findings) if folder.open() else None
    for row in exported["logs"] if exported else []:
        log = Log(row)
        log.read(
            folder,
            findings,
            log.number == exported["current"],
            [one["size"] for one in known if one["origin"] == log.origin],
        )
        notes = [row["note"] for row in log.checkpoint_rows(folder) if row] + [log.note]
        is_ours = lambda checkpoint: checkpoint[0] == log.origin and log.is_root(
            checkpoint[1], checkpoint[2], log.either
        )
        trust.follow(log.origin, log.announcements, notes, is_ours)
        if not trust.of(log.origin):
            findings.add("no-key", log.origin, "No key is trusted for this log: name one by --key.")
        log.check_checkpoints(folder, findings, trust.of(log.origin))
        log.check_opening(findings, logs[-1] if logs else None)
        logs.append(log)
    current = next((log for log in logs if exported["current"] == log.number), None)
    if current:
        for former, follower in zip(logs, logs[1:]):
            former.check_carried_over(findings, follower, current)
        for log in logs:
            if log.continues:
                last = parse_checkpoint(signed_text(log.continues["note"]))
                opened = {"origin": log.origin, "follows": last[0] if last else "", "at": log.opened_at}
                report["opened"].append(dict(opened, reason=log.continues["reason"]))
        if logs[-1].number > current.number:
            both = current.number, logs[-1].number
            detail = "audit/%d is the log that is sealed into, and audit/%d was opened after it." % both
            findings.add("former-log", "export.json", detail)
        heads = []
        for one in known:
            log = next((log for log in logs if "head" in one and log.origin == one["origin"]), None)
            if log and not open_note(one["note"], trust.of(log.origin))[2]:
                heads.append(dict(one["head"], log=log, leaf_of={hash: leaf for leaf, hash in enumerate(log.leaves)}))
        events = Events(folder, findings, current, exported, heads)
        events.check()
        for head in heads:
            # Of leaves that are in a former log alone nobody knows whose they were.
            log, lost = head["log"], 0
            if log is not current:
                lost = max(0, head["size"] - log.size) + sum(leaf < head["size"] for leaf in log.not_in([current]))
            if not head["count"] - lost <= head["found"] <= head["count"]:
                findings.add(
                    "history-differs",
                    head["what"],
                    "%s had %d events then, of which %d are there." % (head["account"], head["count"], head["found"]),
                )
        report.update(origin=current.origin, size=current.size, root=base64.b64encode(current.root).decode())
        report.update(events=events.count, pending=events.pending, erased=events.erased)
    elif exported:
        findings.add("no-key", "export.json", "There is no audit log: nothing of it is signed.")
    if exported:
        check_known(findings, trust, logs, known)
    kinds = [finding["kind"] for finding in findings.all]
    report.update(verdict=findings.verdict(), findings=findings.all, accepted=findings.accepted)
    report["counts"] = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    return report, trust, logs


def print_line(line):
    print(printable(line))


def print_report(report):
    but = ", but for losses that you accept" if report["verdict"] == "sound" and report["accepted"] else ""
    print_line("%s: %s has %d entries and the root %s. %d events were read, %d of them not sealed yet; state: %s." % (
        report["verdict"] + but, report["origin"], report["size"], report["root"],
        report["events"], report["pending"], report["state"],
    ))  # fmt: skip
    for one in report["erased"]:
        print_line("erased  %(userId)s: %(values)d values are gone, as the event %(eventId)s says." % one)
    for one in report["opened"]:
        print_line("opened  %(origin)s after %(follows)s, %(at)s: %(reason)s" % one)
    for one in report["accepted"]:
        print_line("accepted  %(what)s: %(detail)s" % one)
    for finding in report["findings"]:
        print_line("%(kind)s  %(what)s: %(detail)s" % finding)


def main():
    parser = argparse.ArgumentParser(description="Verifies an export of Keyledger's audit log.")
    parser.add_argument("folder")
    parser.add_argument("--key", action="append", default=[], help="a vkey that is trusted")
    parser.add_argument("--state", default="./audit-state.json", help="what is kept from one verification to the next")
    parser.add_argument("--known", action="append", default=[], help="a file with checkpoints that were kept elsewhere")
    parser.add_argument("--accept", action="append", default=[], help="a log, by its name: what it says was lost before it is known of")
    parser.add_argument("--json", action="store_true", help="the report for programs")
    args = parser.parse_args()
    try:
        subprocess.run(["openssl", "version"], stdout=subprocess.DEVNULL, check=True)
        if not os.path.isdir(args.folder):
            raise ValueError("%s is no folder." % args.folder)
        if is_inside(args.state, args.folder):
            raise ValueError(
                "The state %s would lie in the folder that is verified, where whoever made that could have put it: "
                "name another one by --state." % args.state
            )
        keys, state, known = [parse_vkey(key) for key in args.key], read_state(args.state), []
        if None in keys or not (keys or state):
            raise ValueError("No key is trusted: name a vkey (name+id+key) by --key.")
        for path in args.known:
            with open(path, encoding="utf-8", newline="") as file:
                parsed = parse_known(path, file.read())
            if parsed is None:
                raise ValueError(
                    "%s is neither a checkpoint nor a proof, an account head or the lines of an anchor." % path
                )
            known += parsed
    except (OSError, ValueError, KeyError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    state_keys, state_known, state_accepted = state or ([], [], [])
    report, trust, logs = verify(args.folder, keys + state_keys, known + state_known, args.accept, state_accepted)
    if args.json:
        print(json.dumps(report))
    else:
        print_report(report)
    for name in args.accept:
        if name not in [loss["log"] for loss in report["accepted"]]:
            print(printable("--accept %s: no loss before it was found." % name), file=sys.stderr)
    if report["verdict"] != "sound":
        return {"tampered": 1, "incomplete": 2}[report["verdict"]]
    try:
        origins = {log.origin for log in logs}
        others = [(one["origin"], one["size"], one["root"]) for one in state_known if one["origin"] not in origins]
        write_state(
            args.state,
            keys + state_keys + [key for log in logs for key in trust.of(log.origin)],
            others + [(log.origin, log.size, log.root) for log in logs],
            [loss for loss in state_accepted if loss[0] in {origin for origin, _, _ in others}]
            + [(loss["log"], loss["lost"]) for loss in report["accepted"]],
        )
    except OSError as error:
        print(printable("Nothing was kept for the next time: %s" % error), file=sys.stderr)
        return 2
    return 0


def run():
    """Exit code 1 says that somebody tampered: a fault of this program or machine does not."""
    try:
        code = main()
        sys.stdout.flush()
        return code
    except Exception as error:
        print(printable("The verification could not be finished: %r" % error), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.stderr.reconfigure(errors="backslashreplace")
    sys.exit(run())
