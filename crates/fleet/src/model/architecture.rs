//! The processor architecture of a VM.

use serde::Serialize;

/// The processor architecture of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Architecture {
    /// x86-64.
    X64,
    /// 64-bit Arm.
    Arm64,
}

impl Architecture {
    /// The architecture that a size's name implies. A `p` among the letters after the number of cores means
    /// Arm (Azure docs, VM sizes: naming conventions).
    pub fn of_size(size: &str) -> Self {
        let size = size.strip_prefix("Standard_").unwrap_or(size);
        let features = size.trim_start_matches(|c: char| c.is_ascii_uppercase());
        let features = features.split('_').next().unwrap_or_default();
        if features.contains('p') { Architecture::Arm64 } else { Architecture::X64 }
    }

    /// GitHub's label for the architecture.
    pub fn label(self) -> &'static str {
        match self {
            Architecture::X64 => "X64",
            Architecture::Arm64 => "ARM64",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_size_tells_the_processor() {
        for size in
            ["Standard_D4s_v5", "Standard_D4as_v5", "Standard_NP10s", "Standard_E4-2ds_v5", "Standard_F2"]
        {
            assert_eq!(Architecture::of_size(size), Architecture::X64, "{size}");
        }
        for size in ["Standard_D4ps_v5", "Standard_D4pds_v5", "Standard_B2pts_v2", "Standard_E4pls_v6"] {
            assert_eq!(Architecture::of_size(size), Architecture::Arm64, "{size}");
        }
    }
}
