//! What kind of recipient an object is: the values of `msExchRecipientTypeDetails`.
//!
//! The numbers are those that Exchange's own cmdlets show for each type; a type that is not in the
//! table keeps its number and is neither a mailbox nor a remote mailbox.

use std::fmt;

/// A value of `msExchRecipientTypeDetails`; one bit is set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecipientType(pub i64);

/// What a recipient type says about where the mailbox is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Residence {
    /// The mailbox is in a database of this organisation.
    Here,
    /// The mailbox is in the other half of a hybrid, usually Exchange Online.
    Remote,
    /// There is no mailbox: a mail user, a contact, a group, a plain account.
    Nowhere,
}

use Residence::{Here, Nowhere, Remote};

const TYPES: &[(i64, &str, Residence)] = &[
    (1, "UserMailbox", Here),
    (2, "LinkedMailbox", Here),
    (4, "SharedMailbox", Here),
    (8, "LegacyMailbox", Here),
    (16, "RoomMailbox", Here),
    (32, "EquipmentMailbox", Here),
    (64, "MailContact", Nowhere),
    (128, "MailUser", Nowhere),
    (256, "MailUniversalDistributionGroup", Nowhere),
    (512, "MailNonUniversalGroup", Nowhere),
    (1024, "MailUniversalSecurityGroup", Nowhere),
    (2048, "DynamicDistributionGroup", Nowhere),
    (4096, "PublicFolder", Nowhere),
    (8192, "SystemAttendantMailbox", Nowhere),
    (16384, "SystemMailbox", Nowhere),
    (32768, "MailForestContact", Nowhere),
    (65536, "User", Nowhere),
    (131_072, "Contact", Nowhere),
    (262_144, "UniversalDistributionGroup", Nowhere),
    (524_288, "UniversalSecurityGroup", Nowhere),
    (1_048_576, "NonUniversalGroup", Nowhere),
    (2_097_152, "DisabledUser", Nowhere),
    (4_194_304, "MicrosoftExchange", Nowhere),
    (8_388_608, "ArbitrationMailbox", Here),
    (16_777_216, "MailboxPlan", Nowhere),
    (33_554_432, "LinkedUser", Nowhere),
    (268_435_456, "RoomList", Nowhere),
    (536_870_912, "DiscoveryMailbox", Here),
    (1_073_741_824, "RoleGroup", Nowhere),
    (2_147_483_648, "RemoteUserMailbox", Remote),
    (4_294_967_296, "Computer", Nowhere),
    (8_589_934_592, "RemoteRoomMailbox", Remote),
    (17_179_869_184, "RemoteEquipmentMailbox", Remote),
    (34_359_738_368, "RemoteSharedMailbox", Remote),
    (68_719_476_736, "PublicFolderMailbox", Here),
    (137_438_953_472, "TeamMailbox", Here),
    (274_877_906_944, "RemoteTeamMailbox", Remote),
    (549_755_813_888, "MonitoringMailbox", Here),
    (1_099_511_627_776, "GroupMailbox", Here),
    (2_199_023_255_552, "LinkedRoomMailbox", Here),
    (4_398_046_511_104, "AuditLogMailbox", Here),
    (8_796_093_022_208, "RemoteGroupMailbox", Remote),
    (17_592_186_044_416, "SchedulingMailbox", Here),
];

impl RecipientType {
    /// Mailbox of a person.
    pub const USER_MAILBOX: Self = Self(1);
    /// Mailbox of an account in another forest.
    pub const LINKED_MAILBOX: Self = Self(2);

    /// Where a recipient of this type has its mailbox.
    pub fn residence(self) -> Residence {
        self.row().map_or(Nowhere, |(_, _, residence)| *residence)
    }

    /// Whether an object of this type is a recipient at all: accounts, contacts and groups that were not
    /// enabled for mail have types, too.
    pub fn takes_mail(self) -> bool {
        const PLAIN: [i64; 9] = [
            65536,
            131_072,
            262_144,
            524_288,
            1_048_576,
            2_097_152,
            33_554_432,
            1_073_741_824,
            4_294_967_296,
        ];
        !PLAIN.contains(&self.0)
    }

    /// Whether this program knows the type; of one that it does not know, nothing follows.
    pub fn is_known(self) -> bool {
        self.row().is_some()
    }

    fn row(self) -> Option<&'static (i64, &'static str, Residence)> {
        TYPES.iter().find(|(value, _, _)| *value == self.0)
    }
}

impl fmt::Display for RecipientType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row() {
            Some((_, name, _)) => f.write_str(name),
            None => write!(f, "recipient type {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_one_bit_and_listed_once_in_order() {
        for pair in TYPES.windows(2) {
            assert!(pair[0].0 < pair[1].0);
        }
        assert!(TYPES.iter().all(|(value, _, _)| value.count_ones() == 1));
        assert_eq!(RecipientType(2_147_483_648).residence(), Remote);
        assert_eq!(RecipientType(128).to_string(), "MailUser");
        assert_eq!(RecipientType(3).to_string(), "recipient type 3");
    }
}
