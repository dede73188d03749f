//! What the parameters of every estimator have in common: setters, and ranges that are checked before a fit.

/// A parameter outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter} is {value}: it must be {must}")]
pub struct ParameterError {
    /// Its name.
    pub parameter: &'static str,
    /// What was given.
    pub value: String,
    /// What holds of every value that can be given.
    pub must: &'static str,
}

/// Refuses a value that does not hold what it must.
pub(crate) fn range(
    parameter: &'static str,
    value: impl ToString,
    must: &'static str,
    holds: bool,
) -> Result<(), ParameterError> {
    if holds { Ok(()) } else { Err(ParameterError { parameter, value: value.to_string(), must }) }
}

/// One setter a field of the checked parameters behind `$params`.
macro_rules! setters {
    ($params:ident $(<$task:ident: $bound:ident>)? { $($(#[$doc:meta])* $name:ident: $type:ty $(=> $part:ident)?,)* }) => {
        impl $(<$task: $bound>)? $params $(<$task>)? {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $name: $type) -> Self {
                self.0$(.$part)?.$name = $name;
                self
            })*
        }
    };
}

/// `linfa`'s guard of parameters: `$valid::check_ranges` says what they must hold.
macro_rules! guarded {
    ($params:ident $(<$task:ident: $bound:ident>)? => $valid:ident, $error:ty) => {
        impl $(<$task: $bound>)? linfa::ParamGuard for $params $(<$task>)? {
            type Checked = $valid $(<$task>)?;
            type Error = $error;

            /// # Errors
            /// The parameter's name, its value and its range.
            fn check_ref(&self) -> Result<&Self::Checked, $error> {
                self.0.check_ranges()?;
                Ok(&self.0)
            }

            fn check(self) -> Result<Self::Checked, $error> {
                self.0.check_ranges()?;
                Ok(self.0)
            }
        }
    };
}

pub(crate) use {guarded, setters};
