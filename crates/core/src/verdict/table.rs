//! The form of the table of causes: one row gives a variant and everything that is said of it.
//!
//! Invariant: a cause without a code, an effect and its texts does not compile.

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $effect:expr, $hint:expr, $what:literal, $why:literal, $advice:literal;)*) => {
        /// What a request, or a step of the search, came to.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Cause { $($(#[$doc])* $name,)* }

        impl Cause {
            /// Every cause, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as it is printed: `certificate-expired`.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What it does to the step at which it is found.
            pub fn effect(self) -> Effect {
                match self { $(Self::$name => $effect,)* }
            }

            /// What Outlook shows, as far as that is known.
            pub fn hint(self) -> Option<Hint> {
                match self { $(Self::$name => $hint,)* }
            }

            /// One line on what happened.
            pub fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }

            /// One sentence on why it happens.
            pub fn why(self) -> &'static str {
                match self { $(Self::$name => $why,)* }
            }

            /// What to do; `{audit}` and `{show}` stand for these commands about the address, `{domain}` for its
            /// domain. Empty where there is nothing to do.
            pub(super) fn advice_template(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }
        }
    };
}
