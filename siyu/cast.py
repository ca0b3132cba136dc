"""The cast of the sample: invented people with the names that they may be met by, and what they read. Nobody in it exists."""

from dataclasses import dataclass

NEWS, SERVICE, MINI = "wxsample0news", "wxsample0service", "wxsample0mini"
FOLLOWERS, READERS, SERVICE_FROM = 260, 340, 190
_SURNAMES = "陈林黄周吴徐孙胡朱高何郭马罗梁宋郑谢韩唐"
_COMPANIES = (("样例制造有限公司", "maker"), ("样例零售集团", "retail"), ("样例物流公司", "freight"))


@dataclass(frozen=True, slots=True)
class Article:
    """An article, pushed so many days before now (*days_ago*)."""

    id: str
    title: str
    topics: tuple[str, ...]
    days_ago: float

    @property
    def told(self) -> dict[str, object]:
        """It as an event tells it."""
        return {
            "id": self.id,
            "title": self.title,
            "url": f"https://h5.example.com/{self.id}",
            "topics": list(self.topics),
        }


ARTICLES = (
    Article("a-autumn-guide", "秋季选型指南", ("选型", "制造"), 34),
    Article("a-three-weeks", "样例客户：三周上线全记录", ("案例", "实施"), 20),
    Article("a-budget", "明年预算怎么做：一张表说清", ("预算", "采购"), 8),
)


@dataclass(frozen=True, slots=True)
class Person:
    """An invented person and the names that he may be met by. The first 260 follow the news account."""

    number: int

    @property
    def follows_news(self) -> bool:
        """Whether he follows the news account."""
        return self.number < FOLLOWERS

    @property
    def follows_service(self) -> bool:
        """Whether he follows the service account."""
        return SERVICE_FROM <= self.number < FOLLOWERS + 30

    @property
    def name(self) -> str:
        """What he calls himself."""
        return f"样例{_SURNAMES[self.number % len(_SURNAMES)]}{self.number:03d}"

    @property
    def cookie(self) -> str:
        """His browser."""
        return f"anonymous_id@h5-sample:c-{self.number:04d}"

    @property
    def unionid(self) -> str:
        """He in all of WeChat that is the brand's."""
        return f"wechat_unionid@open-sample:u-sample-{self.number:04d}"

    @property
    def phone(self) -> str:
        """His phone."""
        return f"phone:+86139010{self.number:05d}"

    @property
    def email(self) -> str:
        """His mailbox, at work where he has a company."""
        return f"email:sample{self.number:04d}@{self.host}"

    @property
    def host(self) -> str:
        """Where his mailbox is."""
        return f"{self.company[1]}.example.com" if self.company else "example.com"

    @property
    def company(self) -> tuple[str, str] | None:
        """The name and the word of his company; every ninth has one."""
        return _COMPANIES[self.number // 9 % 3] if self.number % 9 == 0 else None

    def openid(self, account: str) -> str:
        """Return how he is known to an *account*."""
        return f"wechat_openid@{account}:o-{account[-4:]}-sample-{self.number:04d}"


THE_LEAD, COLLEAGUE = Person(9_018), Person(9_045)
CROWD = tuple(Person(number) for number in range(FOLLOWERS + READERS))
