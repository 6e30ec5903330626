"""Runs the second verifier on many exports in one process: calls as JSON on standard input, reports as JSON on standard output."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "..", "auditor"))
sys.dont_write_bytecode = True

import verify  # noqa: E402


def report_of(call):
    known = [one for what, text in call["known"] for one in verify.parse_known(what, text)]
    return verify.verify(call["folder"], [verify.parse_vkey(key) for key in call["keys"]], known, call.get("accepts", []))[0]


def check_proofs(proofs):
    right = wrong = believed = 0
    for one in proofs:
        index, size = one["index"], one["size"]
        leaf, root, proof = bytes.fromhex(one["leaf"]), bytes.fromhex(one["root"]), [bytes.fromhex(hash) for hash in one["proof"]]
        if verify.root_from_proof(index, size, leaf, proof) == root:
            right += 1
        else:
            wrong += 1
        for at, hash in enumerate(proof):
            bit = (index * 7 + size * 13 + at) % 256
            flipped = (int.from_bytes(hash, "big") ^ (1 << bit)).to_bytes(32, "big")
            believed += verify.root_from_proof(index, size, leaf, proof[:at] + [flipped] + proof[at + 1 :]) == root
        believed += verify.root_from_proof(index, size, leaf, proof + [leaf]) == root
        believed += bool(proof) and verify.root_from_proof(index, size, leaf, proof[:-1]) == root
    print("%d right, %d wrong, %d flipped ones believed" % (right, wrong, believed))


if sys.argv[1:] == ["proofs"]:
    check_proofs(json.load(sys.stdin))
else:
    print(json.dumps([report_of(call) for call in json.load(sys.stdin)]))
