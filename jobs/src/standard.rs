//! The standard `sql/`, inside the binary.

use rust_embed::Embed;
use warehouse::project::StandardFile;

#[derive(Embed)]
#[folder = "../sql"]
#[include = "*.sql"]
#[include = "*.yml"]
struct StandardSql;

/// Every standard file, by its path below a project: `sql/marts/commerce/revenue_daily.sql`.
pub fn files() -> Vec<StandardFile> {
    StandardSql::iter()
        .filter_map(|path| {
            let data = StandardSql::get(&path)?.data;
            let contents = match data {
                std::borrow::Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok()?.into(),
                std::borrow::Cow::Owned(bytes) => String::from_utf8(bytes).ok()?.into(),
            };
            Some(StandardFile { path: format!("sql/{path}"), contents })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use warehouse::project::{Overrides, Project};

    #[test]
    fn a_project_of_an_empty_buho_toml_is_the_standard_one() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("buho.toml"), "").unwrap();
        let project = Project::load(home.path(), &Overrides::default(), &|_| None, &files());
        let project = project.unwrap_or_else(|errors| panic!("{errors}"));
        assert!(project.models.contains_key("marts.customer_value"));
        assert!(project.contracts.contains_key("orders"));
    }

    #[test]
    fn every_standard_file_is_text_and_inside() {
        assert_eq!(files().len(), StandardSql::iter().count());
    }
}
