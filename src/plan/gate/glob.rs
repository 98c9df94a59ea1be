//! Paths with `*`, `?` and `**`: what a plan may name files by.

/// Whether `path` fits `glob`. `*` and `?` stay inside a folder; `**` as a whole part goes through any number of them.
pub fn fits(glob: &str, path: &str) -> bool {
    let glob: Vec<&str> = glob.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    // After each part of the pattern, which numbers of parts of the path it may have eaten.
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for part in glob {
        let mut next = vec![false; path.len() + 1];
        let mut passed = false;
        for at in 0..=path.len() {
            passed |= reached[at];
            if part == "**" {
                next[at] = passed;
            } else if at > 0 {
                next[at] = reached[at - 1] && part_fits(part, path[at - 1]);
            }
        }
        reached = next;
    }
    reached[path.len()]
}

/// Whether it may fit another path than its own.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?'])
}

fn part_fits(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    let (mut g, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if g < glob.len() && glob[g] == '*' {
            star = Some((g, n));
            g += 1;
        } else if g < glob.len() && (glob[g] == '?' || glob[g] == name[n]) {
            (g, n) = (g + 1, n + 1);
        } else if let Some((star_at, taken)) = star {
            star = Some((star_at, taken + 1));
            (g, n) = (star_at + 1, taken + 1);
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

/// Why a path of a plan names nothing inside the repository.
pub fn fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("is empty");
    }
    if path.starts_with('/') || path.contains('\\') || path.get(1..2) == Some(":") {
        return Some("is no path from the repository's root, with / between its parts");
    }
    path.split('/').any(|part| matches!(part, "" | "." | "..")).then_some("has an empty part, `.` or `..`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (glob, path, expected) in [
            ("kernels/**", "kernels/a/b.rs", true),
            ("kernels/**", "kernels/a", true),
            ("kernels/**", "kernel/a", false),
            ("**/*.rs", "a.rs", true),
            ("**/*.rs", "x/y/a.rs", true),
            ("*.rs", "x/a.rs", false),
            ("src/*/mod.rs", "src/a/mod.rs", true),
            ("src/*/mod.rs", "src/a/b/mod.rs", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("a**b", "axxb", true),
            ("*a*b*", "xaxbx", true),
            ("*a*b*", "xbxax", false),
            ("docs/security.md", "docs/security.md", true),
            ("**", "any/thing", true),
            ("a/**/b/**/c", "a/b/x/c", true),
        ] {
            assert_eq!(fits(glob, path), expected, "{glob} on {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_fits_itself_only() {
        let paths = ["a", "a/b", "ab", "a b", "[a]", "a.b/c"];
        for path in paths {
            assert!(!is_pattern(path));
            assert!(paths.iter().all(|other| fits(path, other) == (path == *other)));
        }
        assert!(["*", "a?", "a/**"].into_iter().all(is_pattern));
    }

    #[test]
    fn many_stars_take_no_time() {
        let glob = "**/".repeat(200) + &"*a".repeat(200);
        assert!(!fits(&glob, &("x/".repeat(500) + &"a".repeat(150) + "b")));
    }

    #[test]
    fn paths_stay_inside() {
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "C:/x", "a\\b"] {
            assert!(fault(bad).is_some(), "{bad}");
        }
        assert_eq!(fault("docs/**/*.md"), None);
    }
}
