//! "Did you mean …": the known name nearest to one that is not known.

/// The candidate nearest to `name`, if one is near enough to be meant.
///
/// Case does not count, a swap of neighbours is one edit, and about a third of the letters may
/// differ: beyond that a suggestion would mislead more than it helps. A candidate that contains the
/// name whole (`orders` for `core.fct_orders`) counts as near when nothing nearer is there.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let allowed = (wanted.chars().count() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let known = candidate.to_lowercase();
        let mut edits = strsim::damerau_levenshtein(&wanted, &known);
        if edits > allowed {
            if wanted.chars().count() < 3 || !(known.contains(&wanted) || wanted.contains(&known)) {
                continue;
            }
            edits += allowed;
        }
        if best.is_none_or(|(fewest, _)| edits < fewest) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `did you mean `x`?`, or the fallback where nothing is near.
pub fn did_you_mean(nearest: Option<&str>, otherwise: &str) -> String {
    match nearest {
        Some(name) => format!("did you mean `{name}`?"),
        None => otherwise.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typo_finds_the_name_that_was_meant() {
        let known = ["customer_id", "order_id", "ordered_at"];
        assert_eq!(nearest("custmer_id", known), Some("customer_id"));
        assert_eq!(nearest("Order_ID", known), Some("order_id"));
        assert_eq!(nearest("odrer_id", known), Some("order_id"));
    }

    #[test]
    fn a_name_without_its_layer_finds_the_table() {
        assert_eq!(nearest("fct_orders", ["core.fct_orders", "marts.x"]), Some("core.fct_orders"));
    }

    #[test]
    fn nothing_is_suggested_for_a_name_far_from_all() {
        assert_eq!(nearest("zebra", ["customer_id", "amount"]), None);
        assert_eq!(nearest("x", ["amount"]), None);
    }
}
