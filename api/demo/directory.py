"""The directory: phone numbers and mailboxes that belong to nobody, each given out once."""

from random import Random

from anyascii import anyascii

from api.demo.chance import dice, scattered
from api.demo.model import SHOP_PHONE
from api.demo.names import words

# Area codes of the United States. 555-0100 to 555-0199 is kept for fiction in each.
AREA_CODES = words(
    "201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 220 223 224 225 227 228 229 231 234 "
    "235 239 240 248 251 252 253 254 256 260 262 267 269 270 272 274 276 279 281 283 301 302 303 304 305 307 "
    "308 309 310 312 313 314 315 316 317 318 319 320 321 323 324 325 326 327 329 330 331 332 334 336 337 339 "
    "341 346 347 350 351 352 353 360 361 363 364 369 380 385 386 401 402 404 405 406 407 408 409 410 412 413 "
    "414 415 417 419 423 424 425 430 432 434 435 440 442 443 445 447 448 458 463 464 469 470 472 475 478 479 "
    "480 484 501 502 503 504 505 507 508 509 510 512 513 515 516 517 518 520 521 522 525 526 527 528 529 530 "
    "531 532 533 534 539 540 541 544 551 557 559 561 562 563 564 566 567 570 571 572 573 574 575 577 580 582 "
    "585 586 588 601 602 603 605 606 607 608 609 610 612 614 615 616 617 618 619 620 623 626 628 629 630 631 "
    "636 640 641 645 646 650 651 656 657 659 660 661 662 667 669 678 680 681 682 686 689 701 702 703 704 706 "
    "707 708 712 713 714 715 716 717 718 719 720 724 725 726 727 728 730 731 732 734 737 738 740 743 747 748 "
    "754 757 760 762 763 765 769 770 771 772 773 774 775 779 781 785 786 801 802 803 804 805 806 808 810 812 "
    "813 814 815 816 817 818 828 830 831 832 843 845 847 848 850 856 857 858 859 860 862 863 864 865 870 872 "
    "878 900 901 903 904 906 907 908 909 910 912 913 914 915 916 917 918 919 920 925 928 929 930 931 934 936 "
    "937 938 940 941 943 945 947 948 949 951 952 954 956 959 970 971 972 973 975 978 979 980 983 984 985 986 "
    "989"
)
PER_HOUSEHOLD = 13
_DOMAINS = ("example.com", "example.com", "example.org", "example.org", "example.net")


class Directory:
    """Gives out phone numbers by a household's place in the order, and mailboxes that nobody has yet."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._taken: set[str] = set()
        numbers = [f"+1{area}55501{n:02d}" for area in AREA_CODES for n in range(100)]
        numbers.remove(SHOP_PHONE)
        dice(seed, "phones").shuffle(numbers)
        self._numbers = numbers

    def phone(self, position: int, nth: int) -> str:
        """Return the nth number of the household at this place."""
        return self._numbers[position * PER_HOUSEHOLD + nth]

    def code(self, name: str, number: int, digits: int) -> str:
        """Return a code such as a card's, unlike those of its neighbours."""
        return str(scattered(self._seed, name, number, digits))

    def email(self, rng: Random, given: str, family: str, nickname: str | None, year: int) -> str:
        """Return a mailbox as such a person would choose it, with digits behind where it is taken."""
        given, family = _letters(given), _letters(family)
        short = _letters(nickname or given)
        local = rng.choice(
            (
                f"{given}.{family}", f"{given}.{family}", f"{given[0]}{family}", f"{given}{family}",
                f"{given}.{family}{year % 100:02d}", f"{short}.{family}", f"{family}.{given}",
                f"{given[0]}.{family}{year % 100:02d}", f"{short}{year}", f"{given}_{family}",
            )
        )  # fmt: skip
        domain = rng.choice(_DOMAINS)
        return self.claim(local, domain)

    def claim(self, local: str, domain: str) -> str:
        """Return this mailbox, or the first free one with a number behind."""
        wish, n = f"{local}@{domain}", 1
        while wish in self._taken:
            n += 1
            wish = f"{local}{n}@{domain}"
        self._taken.add(wish)
        return wish


def _letters(name: str) -> str:
    folded: str = anyascii(name)
    return "".join(c for c in folded.lower() if c.isalnum()) or "x"
