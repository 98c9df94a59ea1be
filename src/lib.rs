//! bizra: runs AI models on your own machine and turns every claim into a signed receipt that can be checked.

pub mod receipts;
pub mod sys;
