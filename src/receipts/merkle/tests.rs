use proptest::prelude::*;

use super::*;

/// RFC 6962's example leaves, whose roots certificate-transparency implementations share.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

/// RFC 6962's own recursion, to compare with.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let middle = leaves.len().next_power_of_two() / 2;
            node_hash(&naive_root(&leaves[..middle]), &naive_root(&leaves[middle..]))
        }
    }
}

#[test]
fn known_roots() {
    let mut frontier = Frontier::default();
    for (size, root) in ROOTS.iter().enumerate() {
        assert_eq!(hex::encode(&frontier.root()), *root, "size {size}");
        if let Some(leaf) = LEAVES.get(size) {
            frontier.push(leaf_hash(&bytes(leaf)));
        }
    }
}

/// The draft's recursion for the proof that `[start, end)` belongs to the tree, `known` where its root is.
fn naive_subtree_proof(leaves: &[Hash], start: usize, end: usize, known: bool) -> Vec<Hash> {
    if (start, end) == (0, leaves.len()) {
        return if known { vec![] } else { vec![naive_root(leaves)] };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let middle = left.len();
    let (mut proof, beside) = if end <= middle {
        (naive_subtree_proof(left, start, end, known), right)
    } else if start >= middle {
        (naive_subtree_proof(right, start - middle, end - middle, known), left)
    } else {
        (naive_subtree_proof(right, 0, end - middle, false), left)
    };
    proof.push(naive_root(beside));
    proof
}

#[test]
fn every_subtree_of_every_tree_up_to_40_belongs_to_it() {
    let all = leaves(40);
    for size in 1..=all.len() {
        let tree = &all[..size];
        let whole = naive_root(tree);
        let subtrees = (0..size).flat_map(|start| (start + 1..=size).map(move |end| (start, end)));
        for (start, end) in subtrees {
            let part = naive_root(&tree[start..end]);
            let verify = |proof: &[Hash], part: &Hash| {
                verify_subtree_consistency(proof, start as u64, end as u64, part, size as u64, &whole)
            };
            if start % (end - start).next_power_of_two() != 0 {
                assert_eq!(verify(&[], &part), Err(ProofError::Range), "{start}..{end} of {size}");
                continue;
            }
            let mut proof = naive_subtree_proof(tree, start, end, true);
            assert_eq!(verify(&proof, &part), Ok(()), "{start}..{end} of {size}");
            assert!(verify(&proof, &[0; 32]).is_err(), "{start}..{end} of {size}");
            proof.push([0; 32]);
            assert!(verify(&proof, &part).is_err(), "{start}..{end} of {size}");
        }
    }
}

#[test]
fn what_a_proof_fails_by_is_told() {
    let errors = [ProofError::Range, ProofError::TooShort, ProofError::TooLong, ProofError::Mismatch];
    assert_eq!(
        errors.map(|error| error.to_string()),
        [
            "no proof exists for this index and these sizes",
            "the proof has too few hashes",
            "the proof has too many hashes",
            "the proof leads to another root"
        ]
    );
}

#[test]
fn proofs_of_every_pair_up_to_70() {
    let leaves = leaves(70);
    let root = |size: u64| root_of(leaves[..size as usize].iter().copied());
    for size in 1..=70u64 {
        for index in 0..size {
            let proof = prove_inclusion(&leaves[..], index, size).unwrap();
            verify_inclusion(&proof, index, &leaves[index as usize], size, &root(size)).unwrap();
            let old = index + 1;
            let proof = prove_consistency(&leaves[..], old, size).unwrap();
            verify_consistency(&proof, old, &root(old), size, &root(size)).unwrap();
        }
    }
}

#[test]
fn no_proof_beyond_the_tree() {
    let leaves = leaves(5);
    assert_eq!(prove_inclusion(&leaves[..], 5, 5), Err(ProofError::Range));
    assert_eq!(prove_inclusion(&leaves[..], 0, 9), Err(ProofError::Range));
    assert_eq!(prove_consistency(&leaves[..], 0, 5), Err(ProofError::Range));
    assert_eq!(prove_consistency(&leaves[..], 6, 5), Err(ProofError::Range));
    let root = root_of(leaves.iter().copied());
    assert_eq!(verify_inclusion(&[], u64::MAX, &leaves[0], u64::MAX, &root), Err(ProofError::Range));
    assert_eq!(verify_consistency(&[], 1, &leaves[0], 5, &root), Err(ProofError::TooShort));
}

#[test]
fn frontier_refuses_what_it_would_not_write() {
    for text in ["", "0", "00\n", "+1\n", "1\n", "1\nAB\n", "x\n", "0\n\n"] {
        assert!(Frontier::decode(text.as_bytes()).is_err(), "{text:?}");
    }
    // Its hashes are all there, but it could not grow.
    let full = format!("{}\n{}", u64::MAX, format!("{}\n", "0f".repeat(32)).repeat(64));
    assert_eq!(Frontier::decode(full.as_bytes()).unwrap_err().to_string(), "frontier line 1: size beyond 2^63 - 1");
    assert_eq!(Frontier::decode(b"3\n").unwrap_err().to_string(), "frontier of size 3 needs 2 hashes, has 0");
}

proptest! {
    #[test]
    fn frontier_is_the_naive_root_and_survives_encoding(size in 0u64..600) {
        let leaves = leaves(size);
        let mut frontier = Frontier::default();
        for leaf in &leaves {
            frontier.push(*leaf);
        }
        prop_assert_eq!(frontier.root(), naive_root(&leaves));
        prop_assert_eq!(Frontier::decode(frontier.encode().as_bytes()).unwrap(), frontier);
    }

    #[test]
    fn a_changed_proof_is_refused(size in 2u64..300, pick in any::<prop::sample::Index>(), bit in 0usize..256) {
        let leaves = leaves(size);
        let root = naive_root(&leaves);
        let index = pick.index(size as usize) as u64;
        let proof = prove_inclusion(&leaves[..], index, size).unwrap();
        for at in 0..proof.len() {
            let mut changed = proof.clone();
            changed[at][bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(
                verify_inclusion(&changed, index, &leaves[index as usize], size, &root),
                Err(ProofError::Mismatch)
            );
            let mut short = proof.clone();
            short.remove(at);
            prop_assert!(verify_inclusion(&short, index, &leaves[index as usize], size, &root).is_err());
        }
        prop_assert!(verify_inclusion(&proof, (index + 1) % size, &leaves[index as usize], size, &root).is_err());
    }
}
