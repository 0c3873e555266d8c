//! Published answers of Keccak-256.

use circuits_core::F;
use circuits_tables::keccak::{
    blocks, keccak256,
    table::{check::violations, trace::Trace},
};
use plonky2::field::types::Field;

/// Answers of the Keccak team's known-answer tests (`ShortMsgKAT_256` and `LongMsgKAT_256`), of Ethereum's documents, and of
/// repeated letters around the ends of blocks.
fn published() -> Vec<(Vec<u8>, &'static str)> {
    let hexadecimal = [
        ("cc", "eead6dbfc7340a56caedc044696a168870549a6a7f6f56961e84a54bd9970b8a"),
        ("41fb", "a8eaceda4d47b3281a795ad9e1ea2122b407baf9aabcb9e18b5717b7873537d2"),
        ("1f877c", "627d7bc1491b2ab127282827b8de2d276b13d7d70fb4c5957fdf20655bc7ac30"),
        (
            "7adc0b6693e61c269f278e6944a5a2d8300981e40022f839ac644387bfac9086650085c2cdc585fea47b9d2e52d65a2b\
             29a7dc370401ef5d60dd0d21f9e2b90fae919319b14b8c5565b0423cefb827d5f1203302a9d01523498a4db10374",
            "4cc2aff141987f4c2e683fa2de30042bacdcd06087d7a7b014996e9cfeaa58ce",
        ),
        (
            "b55c10eae0ec684c16d13463f29291bf26c82e2fa0422a99c71db4af14dd9c7f33eda52fd73d017cc0f2dbe734d831f0\
             d820d06d5f89dacc485739144f8cfd4799223b1aff9031a105cb6a029ba71e6e5867d85a554991c38df3c9ef8c1e1e9a\
             7630be61caabca69280c399c1fb7a12d12aefc",
            "0347901965d3635005e75a1095695cca050bc9ed2d440c0372a31b348514a889",
        ),
        (
            "2edc282ffb90b97118dd03aaa03b145f363905e3cbd2d50ecd692b37bf000185c651d3e9726c690d3773ec1e48510e42\
             b17742b0b0377e7de6b8f55e00a8a4db4740cee6db0830529dd19617501dc1e9359aa3bcf147e0a76b3ab70c4984c13e\
             339e6806bb35e683af8527093670859f3d8a0fc7d493bcba6bb12b5f65e71e705ca5d6c948d66ed3d730b26db395b344\
             7737c26fad089aa0ad0e306cb28bf0acf106f89af3745f0ec72d534968cca543cd2ca50c94b1456743254e358c1317c0\
             7a07bf2b0eca438a709367fafc89a57239028fc5fecfd53b8ef958ef10ee0608b7f5cb9923ad97058ec067700cc746c1\
             27a61ee3",
            "dd1d2a92b3f3f3902f064365838e1f5f3468730c343e2974e7a9ecfcd84aa6db",
        ),
        (
            "724627916c50338643e6996f07877eafd96bdf01da7e991d4155b9be1295ea7d21c9391f4c4a41c75f77e5d273892533\
             93725f1427f57914b273ab862b9e31dabce506e558720520d33352d119f699e784f9e548ff91bc35ca147042128709820\
             d69a8287ea3257857615eb0321270e94b84f446942765ce882b191faee7e1c87e0f0bd4e0cd8a927703524b559b769ca4\
             ece1f6dbf313fdcf67c572ec4185c1a88e86ec11b6454b371980020f19633b6b95bd280e4fbcb0161e1a82470320cec6e\
             cfa25ac73d09f1536f286d3f9dacafb2cd1d0ce72d64d197f5c7520b3ccb2fd74eb72664ba93853ef41eabf52f015dd59\
             1500d018dd162815cc993595b195",
            "ea0e416c0f7b4f11e3f00479fddf954f2539e5e557753bd546f69ee375a5de29",
        ),
    ];
    let texts = [
        ("", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        ("abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
            "8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f",
        ),
    ];
    let repeated = [
        (134, "e5de5653994e2fa6729d329b65b5f332dee942a7ea54515e173824c232a4ff91"),
        (135, "34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454919cf446"),
        (136, "a6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b60aa386e"),
        (137, "d869f639c7046b4929fc92a4d988a8b22c55fbadb802c0c66ebcd484f1915f39"),
        (270, "cfecd7939f149ad981c5672b3a7c4fe8b584b6b3dbe899b2575c8a92e77f8f28"),
        (271, "132f47effd6c8b1b299efa53fe68aece77ec8ae4eb2e294f668eec94f76001e1"),
        (272, "cf7fcd4f705ee749930d19ca84561a9bf62516bd90a471545fa2f49fdc7e63c8"),
    ];
    let hexadecimal = hexadecimal.map(|(message, digest)| (hex::decode(message).unwrap(), digest));
    let texts = texts.map(|(message, digest)| (message.as_bytes().to_vec(), digest));
    let repeated = repeated.map(|(length, digest)| (vec![b'a'; length], digest));
    hexadecimal.into_iter().chain(texts).chain(repeated).collect()
}

#[test]
fn published_vectors_break_no_rule() {
    let mut all = vec![];
    for (message, digest) in published() {
        assert_eq!(hex::encode(keccak256(&message)), digest);
        let mut blocks = blocks(&message);
        // The published digest, not the reference's.
        let words = hex::decode(digest).unwrap();
        let words = words.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap()));
        blocks.last_mut().unwrap().digest.iter_mut().zip(words).for_each(|(to, word)| {
            *to = F::from_canonical_u32(word);
        });
        all.extend(blocks);
    }
    assert_eq!(violations(&Trace::new(&all, 11), &all), []);
}
