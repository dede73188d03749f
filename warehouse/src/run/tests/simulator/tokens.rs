//! Who held the lake when something of it was written.

use serde_json::Value;

use super::world::{Broken, World};

const TOKENS: &str = "5 no stale token publishes or commits";

/// What an object says of the lease under which it was put.
struct Put {
    token: u64,
    /// Whether it does something, and is not a fence or a renewal: its holder has fenced all tables by then.
    is_work: bool,
}

impl World {
    /// Each link's token is that of the last take, and each release was published by a link.
    pub(super) async fn check_chain(&mut self) -> Result<(), Broken> {
        self.known.count(TOKENS);
        for path in self.stranger.names("_buho/lease").await {
            let position = path.filename().and_then(|name| name.strip_suffix(".json")?.parse().ok()).unwrap_or(0);
            if !self.known.links.contains_key(&position) {
                let link = self.stranger.json(&path).await?;
                self.known.links.insert(position, link);
            }
        }
        let mut token = 0;
        for (position, link) in &self.known.links {
            let its = link["token"].as_u64().unwrap_or(0);
            if link["step"] == "take" {
                token = *position;
            }
            if its != token {
                return Err(format!("link {position} of the lease has token {its}, the holder's is {token}"));
            }
        }
        Ok(())
    }

    /// Nothing was written under a lease once a later holder had gone to work: in the order in which storage has it.
    pub(super) async fn check_order(&mut self) -> Result<(), Broken> {
        let (created, changes) = self.lake.journal.created_after(self.known.changes);
        self.known.changes = changes;
        for path in created {
            let path_text = path.to_string();
            let is_put = path_text.ends_with(".json")
                && (path_text.contains("/_delta_log/") || path_text.contains("/_buho/lease/"));
            // Maintenance may have cleaned it away already.
            let Some(actions) = self.stranger.lines(&path).await.filter(|_| is_put) else { continue };
            let Some(put) = put_of(&actions) else { continue };
            if put.token < self.known.working {
                return Err(format!(
                    "{path} was written under token {}, and the holder {} had gone to work",
                    put.token, self.known.working
                ));
            }
            if put.is_work {
                self.known.working = put.token;
            }
        }
        Ok(())
    }
}

fn put_of(lines: &[Value]) -> Option<Put> {
    if let [link] = lines
        && let Some(step) = link["step"].as_str()
    {
        return Some(Put { token: link["token"].as_u64()?, is_work: matches!(step, "create" | "publish") });
    }
    let fence = lines.iter().find(|action| action["txn"]["appId"] == "buho/fence")?;
    let is_work =
        lines.iter().any(|action| ["add", "remove", "metaData"].iter().any(|name| action.get(*name).is_some()));
    Some(Put { token: fence["txn"]["version"].as_u64()?, is_work })
}
