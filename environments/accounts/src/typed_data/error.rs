//! Why typed data is not a transaction of this environment.

use thiserror::Error;

/// Why typed data is not a transaction of this environment. Each variant is one cause; the first one found is named.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TypedDataError {
    /// Something is no JSON object.
    #[error("{path} is no object")]
    NotAnObject {
        /// Where.
        path: String,
    },
    /// Something is missing.
    #[error("{path} is missing")]
    Missing {
        /// Where.
        path: String,
    },
    /// There is something that nobody reads, and that a wallet may show or sign.
    #[error("{path} should not be there")]
    Unexpected {
        /// Where.
        path: String,
    },
    /// Something else than a transaction is signed.
    #[error("the primary type is {found}, not Transaction")]
    PrimaryType {
        /// The primary type.
        found: String,
    },
    /// The domain is another environment's, or another application's.
    #[error("the domain is named {found}, not {expected:?}")]
    DomainName {
        /// This environment's.
        expected: String,
        /// The data's.
        found: String,
    },
    /// The domain has another version.
    #[error("the domain has version {found}, not {expected:?}")]
    DomainVersion {
        /// This version.
        expected: &'static str,
        /// The data's.
        found: String,
    },
    /// The transaction is for another chain.
    #[error("the chain id is {found}, not {expected}")]
    OtherChain {
        /// The chain that this deployment settles on.
        expected: u64,
        /// The data's.
        found: u64,
    },
    /// The transaction is for another deployment on the same chain.
    #[error("the verifying contract is {found}, not {expected}")]
    OtherContract {
        /// The contract that settles this deployment.
        expected: String,
        /// The data's.
        found: String,
    },
    /// A type has the right members in another order, so its hash is another one.
    #[error("the members of {name} are in the order {found}, not {expected}")]
    Order {
        /// The type.
        name: String,
        /// The members' names as they should be, separated by commas.
        expected: String,
        /// As they are.
        found: String,
    },
    /// A type has a member that it should not have.
    #[error("the type {name} has the member {member}, which it should not have")]
    ExtraMember {
        /// The type.
        name: String,
        /// The member.
        member: String,
    },
    /// A type lacks a member.
    #[error("the type {name} lacks the member {member}")]
    MissingMember {
        /// The type.
        name: String,
        /// The member.
        member: String,
    },
    /// A member has another type.
    #[error("the member {member} of {name} is a {found}, not a {expected}")]
    MemberType {
        /// The type that has the member.
        name: String,
        /// The member.
        member: String,
        /// Its type as it should be.
        expected: String,
        /// As it is.
        found: String,
    },
    /// A type is described that the transaction does not refer to.
    #[error("the type {name} is not used")]
    UnusedType {
        /// The type.
        name: String,
    },
    /// A transaction has no action of this type.
    #[error("{member} is a {found}, which is no type of an action")]
    ActionType {
        /// The member.
        member: &'static str,
        /// Its type.
        found: String,
    },
    /// There are no actions.
    #[error("the transaction has no action1")]
    NoAction,
    /// A value is not of its type, or out of its range here.
    #[error("{path} should be {expected}, found {found}")]
    Value {
        /// Where.
        path: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
}
