//! What a table is built on top of: where its log is not as our own commits left it, nothing is.

use super::error::RunError;
use super::lost::{self, Lost};
use super::strangers;
use crate::table::{Lake, TableSnapshot};

/// A table as its log has it, and what is asked of it.
pub(super) struct Ground<'a> {
    pub lake: &'a Lake,
    pub name: &'a str,
    pub base: Option<&'a TableSnapshot>,
    /// The version that the last release names.
    pub released: Option<u64>,
    /// Whether nobody asked for the table anew.
    pub may_resume: bool,
    /// Whether all its rows can be made anew.
    pub is_rebuilt: bool,
}

impl Ground<'_> {
    /// Refuses to build on a log that lost its end, and on what other programs committed.
    pub async fn refuse(&self) -> Result<(), RunError> {
        self.refuse_lost().await?;
        self.refuse_strangers().await
    }

    /// Unless somebody asked for the table anew.
    async fn refuse_strangers(&self) -> Result<(), RunError> {
        let Some(base) = self.base.filter(|_| self.may_resume || !self.is_rebuilt) else { return Ok(()) };
        let Some(strangers) = base.strangers().await? else { return Ok(()) };
        Err(RunError::refused(self.name, &strangers::refused(self.name, &strangers, self.is_rebuilt)))
    }

    /// A version would be written a second time: releases that name it would show other rows from then on.
    async fn refuse_lost(&self) -> Result<(), RunError> {
        let (name, last) = (self.name, self.base.map(|base| base.version));
        let Some(released) = self.released else { return Ok(()) };
        let Some(lost) = Lost::of(self.lake, name, last, released).await? else { return Ok(()) };
        if self.may_resume {
            return Err(RunError::refused(name, &lost::refused(name, &lost)));
        }
        let told = lost.told();
        tracing::warn!(node = %name, "its log {told}: it is written anew, and releases before show what is written now");
        Ok(())
    }
}
