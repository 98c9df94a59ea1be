use std::fs;

use super::*;
use crate::sys::testing::Folder;

#[test]
fn a_clone_its_subfolder_and_a_bare_repository() {
    let folder = Folder::new();
    let clone = folder.path("clone");
    Repository::init(&clone).unwrap();
    fs::create_dir_all(clone.join("a/b")).unwrap();
    let found = discover(&clone.join("a/b")).unwrap().unwrap();
    assert_eq!(found.ledger_path(), fs::canonicalize(clone.join(".git")).unwrap().join("bizra/ledger.git"));
    assert!(!found.linked && found.work_dir.is_some());

    let bare = folder.path("bare.git");
    Repository::init_bare(&bare).unwrap();
    let found = discover(&bare).unwrap().unwrap();
    assert_eq!(found.work_dir, None);
    assert_eq!(found.ledger_path(), fs::canonicalize(&bare).unwrap().join("bizra/ledger.git"));
}

#[test]
fn a_linked_worktree_shares_the_ledger() {
    let folder = Folder::new();
    let repository = Repository::init(folder.path("main")).unwrap();
    let author = git2::Signature::new("a", "a@example.org", &git2::Time::new(0, 0)).unwrap();
    let tree = repository.find_tree(repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
    repository.commit(Some("HEAD"), &author, &author, "first", &tree, &[]).unwrap();
    repository.worktree("side", &folder.path("side"), None).unwrap();
    let (main, side) =
        (discover(&folder.path("main")).unwrap().unwrap(), discover(&folder.path("side")).unwrap().unwrap());
    assert!(side.linked && !main.linked);
    assert_eq!(fs::canonicalize(&side.common_dir).unwrap(), fs::canonicalize(&main.common_dir).unwrap());
}

#[test]
fn no_repository_is_no_error_and_a_broken_one_is() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("empty")).unwrap();
    // The temporary folder may itself lie in a repository on someone's machine.
    if let Some(found) = discover(&folder.path("empty")).unwrap() {
        assert!(!found.common_dir.starts_with(folder.path("")));
    }
    fs::create_dir_all(folder.path("broken")).unwrap();
    fs::write(folder.path("broken/.git"), "gitdir: /nowhere/at/all\n").unwrap();
    let error = discover(&folder.path("broken")).unwrap_err();
    assert!(matches!(error, GitError::Unreadable { .. }), "{error:?}");
    assert!(matches!(discover(&folder.path("not-there")), Err(GitError::Unreadable { .. })));
}

#[test]
fn sha256_is_refused_by_name() {
    let folder = Folder::new();
    let path = folder.path("sha256");
    Repository::init(&path).unwrap();
    let config = "[core]\n\trepositoryformatversion = 1\n\tbare = false\n[extensions]\n\tobjectformat = sha256\n";
    fs::write(path.join(".git/config"), config).unwrap();
    let error = discover(&path).unwrap_err();
    assert!(matches!(error, GitError::Sha256 { .. }), "{error:?}");
    assert!(error.to_string().contains("SHA-256"), "{error}");
}
