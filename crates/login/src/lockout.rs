//! What a live directory says of lock-outs: after how many wrong passwords it closes an account, and for
//! how long it remembers one.
//!
//! Active Directory says it at the head of the domain (`lockoutThreshold`, [MS-ADA1]) and, for single
//! groups, in fine-grained password policies (`msDS-PasswordSettings`, [MS-ADSC]); slapd and others say it
//! in entries of the class `pwdPolicy` (draft-behera-ldap-password-policy-10 5.2).
//!
//! Invariant: of all that can be read the strictest holds, for everybody; where a directory may lock
//! accounts and says nothing, it is taken for one of the strictest that there are.

use std::time::Duration;

use automend_ldap::{Client, Entry, Error, Filter, Scope, Search};
use automend_source::live::{RootDse, is_lost};

use super::throttle::Limits;

/// A policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Policy {
    /// Wrong passwords that close an account; 0 if none do.
    threshold: u32,
    window: Duration,
}

/// Where the directory does not say after how many: what the strictest guides for administrators ask for.
const UNKNOWN: Policy = Policy {
    threshold: 3,
    window: Duration::ZERO,
};
/// Policies that are looked at.
const MOST: usize = 1000;
/// The control by which a server tells clients of its password policy (draft-behera-ldap-password-policy-10
/// 6): it has one, or could have.
const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// `pwdFailureCountInterval` 0: only a right password makes the server forget.
const FOR_EVER: Duration = Duration::MAX;

/// The limits under what the directory says.
pub(super) async fn limits(client: &Client, root: &RootDse) -> Result<Limits, Error> {
    let policies = if root.active_directory {
        of_active_directory(client, root).await?
    } else if root.controls.contains(PASSWORD_POLICY) {
        of_entries(client, root).await?
    } else {
        Vec::new()
    };
    let strictest = |limits: Limits, policy: Policy| limits.under(policy.threshold, policy.window);
    Ok(policies.into_iter().fold(Limits::LIVE, strictest))
}

async fn of_active_directory(client: &Client, root: &RootDse) -> Result<Vec<Policy>, Error> {
    let Some(domain) = &root.default else {
        return Ok(vec![UNKNOWN]);
    };
    let (threshold, window) = ("lockoutThreshold", "lockOutObservationWindow");
    let head = readable(client.base(domain, &[threshold, window]).await)?.flatten();
    let of_all = head.and_then(|head| windows(&head, threshold, window));
    let mut policies = vec![of_all.unwrap_or(UNKNOWN)];
    // Without rights of its own the service's account sees none of them.
    let (threshold, window) = ("msDS-LockoutThreshold", "msDS-LockoutObservationWindow");
    let base = format!("CN=Password Settings Container,CN=System,{domain}");
    let filter = Filter::equal("objectClass", "msDS-PasswordSettings");
    let search = Search::new(&base, Scope::One, filter, &[threshold, window]);
    let of_groups = readable(client.entries(&search, MOST).await)?;
    let of_groups = of_groups.unwrap_or_default();
    policies.extend(
        of_groups
            .iter()
            .filter_map(|entry| windows(entry, threshold, window)),
    );
    Ok(policies)
}

/// A policy of Active Directory; the window is in 100 ns, and negative ([MS-ADA2] 2.40).
fn windows(entry: &Entry, threshold: &str, window: &str) -> Option<Policy> {
    let number = |name: &str| entry.first_text(name)?.trim().parse::<i64>().ok();
    let window = number(window).unwrap_or(0).unsigned_abs();
    Some(Policy {
        threshold: u32::try_from(number(threshold)?).unwrap_or(0),
        window: Duration::from_secs(window / 10_000_000),
    })
}

async fn of_entries(client: &Client, root: &RootDse) -> Result<Vec<Policy>, Error> {
    const WANTED: &[&str] = &["pwdLockout", "pwdMaxFailure", "pwdFailureCountInterval"];
    let mut policies = Vec::new();
    for context in &root.contexts {
        let filter = Filter::equal("objectClass", "pwdPolicy");
        let search = Search::new(context, Scope::Subtree, filter, WANTED);
        let found = readable(client.entries(&search, MOST).await)?;
        policies.extend(found.unwrap_or_default().iter().map(entry));
    }
    if policies.is_empty() {
        policies.push(UNKNOWN);
    }
    Ok(policies)
}

/// A policy in an entry; without `pwdLockout` it closes nothing.
fn entry(entry: &Entry) -> Policy {
    let number = |name: &str| entry.first_text(name)?.trim().parse::<u32>().ok();
    let closes = entry
        .first_text("pwdLockout")
        .is_some_and(|value| value.eq_ignore_ascii_case("TRUE"));
    Policy {
        threshold: number("pwdMaxFailure").filter(|_| closes).unwrap_or(0),
        window: match number("pwdFailureCountInterval") {
            None | Some(0) => FOR_EVER,
            Some(seconds) => Duration::from_secs(seconds.into()),
        },
    }
}

/// What this account may read; a refusal is nothing to read.
pub(super) fn readable<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error @ Error::Refused { .. }) if is_lost(&error) => Err(error),
        Err(Error::Refused { .. } | Error::Referral { .. } | Error::Limit { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automend_ldap::Attribute;

    fn made(attributes: &[(&str, &str)]) -> Entry {
        let one =
            |(name, value): &(&str, &str)| Attribute::new(name, vec![value.as_bytes().to_vec()]);
        Entry {
            attributes: attributes.iter().map(one).collect(),
            ..Entry::default()
        }
    }

    #[test]
    fn a_policy_of_active_directory_is_read() {
        let (threshold, window) = ("lockoutThreshold", "lockOutObservationWindow");
        let read = |attributes: &[(&str, &str)]| windows(&made(attributes), threshold, window);
        let policy = |threshold, window| {
            let window = Duration::from_secs(window);
            Some(Policy { threshold, window })
        };
        let usual = &[(threshold, "10"), (window, "-18000000000")];
        assert_eq!(read(usual), policy(10, 1800));
        assert_eq!(read(&[(threshold, "0")]), policy(0, 0));
        assert_eq!(read(&[(window, "-18000000000")]), None);
        let longest = &[(threshold, "5"), (window, "-9223372036854775808")];
        assert_eq!(read(longest), policy(5, 922_337_203_685));
    }

    #[test]
    fn a_policy_in_an_entry_is_read() {
        let read = |attributes: &[(&str, &str)]| {
            let limits = entry(&made(attributes));
            let limits = Limits::LIVE.under(limits.threshold, limits.window);
            (limits.account, limits.account_window.as_secs())
        };
        let (lockout, failures) = (("pwdLockout", "TRUE"), ("pwdMaxFailure", "5"));
        let interval = ("pwdFailureCountInterval", "7200");
        assert_eq!(read(&[lockout, failures, interval]), (3, 7200));
        // What is never forgotten is waited for as long as one can.
        assert_eq!(read(&[lockout, failures]), (3, 24 * 60 * 60));
        assert_eq!(read(&[("pwdLockout", "FALSE"), failures]), (4, 1800));
        assert_eq!(read(&[failures]), (4, 1800));
        assert_eq!(read(&[lockout, ("pwdMaxFailure", "0")]), (4, 1800));
    }

    #[test]
    fn what_is_not_known_is_taken_for_strict() {
        let limits = Limits::LIVE.under(UNKNOWN.threshold, UNKNOWN.window);
        assert_eq!(limits.account, 2);
    }
}
