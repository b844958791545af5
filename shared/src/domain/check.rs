//! Checks of links (SH-9): what an answer of a drive says of a share. Rate limits, captchas and whatever we do
//! not know for certain are `uncertain`: they are never mistaken for death.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The share opens.
    Ok,
    /// The drive says that it is gone: not there, cancelled, expired, forbidden.
    Bad,
    /// Its code is wrong or missing. What lies behind it, nobody can tell.
    Locked,
    /// The answer says nothing of the share.
    Uncertain,
}

impl Verdict {
    pub const ALL: [Verdict; 4] = [Self::Ok, Self::Bad, Self::Locked, Self::Uncertain];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Bad => "bad",
            Self::Locked => "locked",
            Self::Uncertain => "uncertain",
        }
    }
}

const TOO_MANY_REQUESTS: u16 = 429;

/// What Aliyun's share API says with a status and the `code` of its body; there is none where it worked.
///
/// | code | meaning | verdict |
/// | --- | --- | --- |
/// | none, with 2xx | | ok |
/// | `NotFound.ShareLink` | there is no such share | bad |
/// | `ShareLink.Cancelled` | its owner has cancelled it | bad |
/// | `ShareLink.Expired` | its time is over | bad |
/// | `ShareLink.Forbidden` | the drive has blocked it | bad |
/// | `InvalidResource.SharePwd` | the code is wrong or missing | locked |
/// | `ParamFlowException`, any 429 | too many calls | uncertain |
/// | anything else | | uncertain |
pub fn aliyun(status: u16, code: Option<&str>) -> Verdict {
    let is_refusal = (400..500).contains(&status) && status != TOO_MANY_REQUESTS;
    match code {
        None if (200..300).contains(&status) => Verdict::Ok,
        Some(
            "NotFound.ShareLink"
            | "ShareLink.Cancelled"
            | "ShareLink.Expired"
            | "ShareLink.Forbidden",
        ) if is_refusal => Verdict::Bad,
        Some("InvalidResource.SharePwd") if is_refusal => Verdict::Locked,
        _ => Verdict::Uncertain,
    }
}

/// What Baidu's share API says with a status and the `errno` of its body.
///
/// | errno | meaning | verdict |
/// | --- | --- | --- |
/// | 0 | | ok |
/// | -7 | deleted or cancelled | bad |
/// | -8 | expired | bad |
/// | -21 | cancelled, or nothing is known of it | bad |
/// | 105 | there is no such share | bad |
/// | 115 | its files may not be shared | bad |
/// | 117 | expired | bad |
/// | 145 | cancelled or deleted | bad |
/// | -9, -12 | the code is wrong or missing | locked |
/// | -1, -19, -62 | a captcha, or too many calls | uncertain |
/// | anything else, any status but 200 | | uncertain |
///
/// Baidu documents none of them. 0, -9, -12, -62 and 105 are what everybody meets who asks for a share; -7, -8 and
/// -21 stand in the texts of its own pages; 115, 117 and 145 are less sure, which the second check makes up for.
/// The numbers mean other things in the API of one's own files, so only answers about a share go through here.
pub fn baidu(status: u16, errno: Option<i64>) -> Verdict {
    match errno {
        _ if status != 200 => Verdict::Uncertain,
        Some(0) => Verdict::Ok,
        Some(-7 | -8 | -21 | 105 | 115 | 117 | 145) => Verdict::Bad,
        Some(-9 | -12) => Verdict::Locked,
        _ => Verdict::Uncertain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliyun_is_believed_where_it_names_the_share() {
        for code in [
            "NotFound.ShareLink",
            "ShareLink.Cancelled",
            "ShareLink.Expired",
            "ShareLink.Forbidden",
        ] {
            assert_eq!(aliyun(404, Some(code)), Verdict::Bad, "{code}");
            assert_eq!(aliyun(400, Some(code)), Verdict::Bad, "{code}");
            for odd in [200, 302, 429, 500, 503] {
                assert_eq!(aliyun(odd, Some(code)), Verdict::Uncertain, "{odd} {code}");
            }
        }
        assert_eq!(aliyun(200, None), Verdict::Ok);
        assert_eq!(
            aliyun(400, Some("InvalidResource.SharePwd")),
            Verdict::Locked
        );
    }

    #[test]
    fn what_aliyun_says_of_anything_else_is_no_death() {
        for (status, code) in [
            (429, Some("ParamFlowException")),
            (429, Some("TooManyRequests")),
            (429, None),
            (403, None),
            (404, None),
            (404, Some("NotFound.File")),
            (401, Some("ShareLinkTokenInvalid")),
            (400, Some("InvalidParameter")),
            (200, Some("ParamFlowException")),
            (500, Some("InternalError")),
            (502, None),
        ] {
            assert_eq!(
                aliyun(status, code),
                Verdict::Uncertain,
                "{status} {code:?}"
            );
        }
    }

    #[test]
    fn baidu_is_believed_by_its_table_alone() {
        let table = [
            (Verdict::Ok, vec![0]),
            (Verdict::Bad, vec![-7, -8, -21, 105, 115, 117, 145]),
            (Verdict::Locked, vec![-9, -12]),
            (
                Verdict::Uncertain,
                vec![-62, -19, -1, -4, -6, 1, 2, 110, 112, 9019],
            ),
        ];
        for (verdict, numbers) in table {
            for errno in numbers {
                assert_eq!(baidu(200, Some(errno)), verdict, "{errno}");
                for status in [302, 403, 404, 429, 500] {
                    let odd = baidu(status, Some(errno));
                    assert_eq!(odd, Verdict::Uncertain, "{status} {errno}");
                }
            }
        }
        assert_eq!(baidu(200, None), Verdict::Uncertain);
    }
}
