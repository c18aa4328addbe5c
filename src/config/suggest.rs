//! "Did you mean": the nearest of the names that are allowed at a place.

/// The candidate nearest to `name`, when it is near enough to be what was meant: at most a third of the
/// letters wrong, at least one. Ties go to the first in the alphabet, so that the answer never depends on order.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// A sentence of help for a name that is not known: the nearest candidate, else all of them.
/// `what` is the plural noun for the candidates (`pools`).
pub fn help<'a>(name: &str, what: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let mut all: Vec<&str> = candidates.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    match closest(name, all.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if all.is_empty() => format!("there are no {what}"),
        None => format!("{what}: {}", all.join(", ")),
    }
}

/// Letters to insert, delete, change or swap; case counts for nothing.
fn distance(a: &str, b: &str) -> usize {
    strsim::damerau_levenshtein(&a.to_lowercase(), &b.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, candidates: &[&str], expected: Option<&str>) {
        assert_eq!(closest(name, candidates.iter().copied()), expected, "{name}");
    }

    #[test]
    fn the_nearest_candidate_within_a_third_of_the_letters_is_suggested() {
        check("wieght", &["backup", "weight"], Some("weight"));
        check("sever", &["server", "sticky"], Some("server"));
        check("platfrom", &["flow", "platform"], Some("platform"));
        check("Server", &["server"], Some("server"));
        check("on", &["an", "in"], Some("an"));
        check("ab", &["cd"], None);
        check("xyz", &[], None);
        check("completely", &["different"], None);
    }

    #[test]
    fn a_tie_does_not_depend_on_the_order_of_the_candidates() {
        check("pol", &["pool", "poll"], Some("poll"));
        check("pol", &["poll", "pool"], Some("poll"));
    }

    #[test]
    fn help_names_the_nearest_or_lists_all() {
        assert_eq!(help("platfrom", "pools", ["platform"]), "did you mean `platform`?");
        assert_eq!(help("x", "pools", ["flow", "app"]), "pools: app, flow");
        assert_eq!(help("x", "pools", []), "there are no pools");
    }
}
